/**
 * Who calls: by API key, of which only the SHA-256 is known here, or by a JWT. The route's first read travels in the batch
 * that looks the credential up, so a revoked key and its tokens end with the next request.
 */
import { LAST_USED_RESOLUTION_MS, type Principal, type Scope } from "../domain/accounts";
import { DomainError } from "../domain/errors";
import type { Clock, Credential, FirstRead, FirstReadResult, Jwts, KeyStore, Later } from "../domain/ports";

export interface AuthPorts {
  keys: KeyStore;
  jwts: Jwts;
  clock: Clock;
  later: Later;
  sha256Hex: (text: string) => Promise<string>;
}

export async function authenticate(
  ports: AuthPorts,
  presented: string,
  scope: Scope,
  read: FirstRead,
): Promise<{ principal: Principal; first: FirstReadResult }> {
  const credential = await credentialOf(ports, presented);
  const what = credential.kind === "key" ? "API key" : "token";
  const { principal, first } = await ports.keys.authenticate(credential, read);
  if (!principal) throw new DomainError("unauthenticated", `the ${what} is not valid or was revoked`);
  if (!principal.scopes.includes(scope)) throw new DomainError("forbidden", `this ${what} has no '${scope}' scope`);
  const nowMs = ports.clock.nowMs();
  const isDue = principal.lastUsedAtMs === null || nowMs - principal.lastUsedAtMs > LAST_USED_RESOLUTION_MS;
  if (isDue && credential.kind !== "outside") ports.later(ports.keys.touch(principal.keyId, nowMs));
  return { principal, first };
}

/** Throws `unauthenticated` for what has neither form, or a signature that is not good. */
export async function credentialOf(
  ports: Pick<AuthPorts, "jwts" | "sha256Hex">,
  presented: string,
): Promise<Credential> {
  if (/^(vk_|sk-)[0-9a-f]{40}$/.test(presented)) return { kind: "key", sha256: await ports.sha256Hex(presented) };
  if (isJwt(presented)) return ports.jwts.verify(presented);
  throw new DomainError("unauthenticated", "the API key is not valid");
}

function isJwt(presented: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(presented);
}
