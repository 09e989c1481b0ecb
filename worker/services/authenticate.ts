/** Who calls, by API key: only its SHA-256 is known here. The route's first read travels in the same batch. */
import { LAST_USED_RESOLUTION_MS, type Principal, type Scope } from "../domain/accounts";
import { DomainError } from "../domain/errors";
import type { Clock, FirstRead, FirstReadResult, KeyStore, Later } from "../domain/ports";

export interface AuthPorts {
  keys: KeyStore;
  clock: Clock;
  later: Later;
  sha256Hex: (text: string) => Promise<string>;
}

export async function authenticate(
  ports: AuthPorts,
  key: string,
  scope: Scope,
  read: FirstRead,
): Promise<{ principal: Principal; first: FirstReadResult }> {
  if (!/^(vk_|sk-)[0-9a-f]{40}$/.test(key)) throw new DomainError("unauthenticated", "the API key is not valid");
  const { principal, first } = await ports.keys.authenticate(await ports.sha256Hex(key), read);
  if (!principal) throw new DomainError("unauthenticated", "the API key is not valid or was revoked");
  if (!principal.scopes.includes(scope)) {
    throw new DomainError("forbidden", `this API key has no '${scope}' scope`);
  }
  const nowMs = ports.clock.nowMs();
  if (principal.lastUsedAtMs === null || nowMs - principal.lastUsedAtMs > LAST_USED_RESOLUTION_MS) {
    ports.later(ports.keys.touch(principal.keyId, nowMs));
  }
  return { principal, first };
}
