/** A JWT for the holder of an API key or of another JWT of ours: for one project, good for no more than both. */
import type { Principal, Scope } from "../domain/accounts";
import { DomainError, invalid } from "../domain/errors";
import { parseId, PROJECT_PREFIX } from "../domain/ids";
import { TOKEN_LIFE_MS } from "../domain/signing-keys";
import type { TokenNames } from "../domain/ports";
import { credentialOf, type AuthPorts } from "./authenticate";
import type { IssuedToken, TokenRequest } from "./token-services";

type DenialCode =
  "requested_scope_unavailable" | "no_accessible_account" | "restricted_environment" | "token_issuance_forbidden";

export async function issueToken(ports: AuthPorts, request: TokenRequest): Promise<IssuedToken> {
  const holder = await holderOf(ports, request);
  checkType(request);
  if (request.accountId !== undefined && request.accountId !== holder.accountId) {
    throw denied("no_accessible_account", "the API key opens no such account");
  }
  if (request.audience !== undefined && request.audience !== ports.jwts.audience) {
    throw denied("requested_scope_unavailable", "tokens are issued for this deployment alone");
  }
  const asked = request.projectId === undefined ? holder.projectId : parseId(PROJECT_PREFIX, request.projectId);
  const principal = { ...holder, projectId: asked ?? "" };
  const names = await ports.keys.names(principal);
  if (names === null) throw denied("requested_scope_unavailable", "the API key opens no such project");
  const nowMs = ports.clock.nowMs();
  const expiresAtMs = Math.min(nowMs + TOKEN_LIFE_MS, request.expiresAtMs ?? Infinity);
  if (expiresAtMs <= nowMs) throw invalid("expires_at", "is not in the future");
  const claims = { ...claimsOf(principal, names, request.origin), iat: seconds(nowMs), exp: seconds(expiresAtMs) };
  const token = await ports.jwts.sign({ ...claims, aud: ports.jwts.audience });
  return { token, expiresInSeconds: claims.exp - claims.iat };
}

/** What the header shows; the body may hold the same key, or one where the header has none. */
async function holderOf(ports: AuthPorts, { presented, key }: TokenRequest): Promise<Principal> {
  if (presented !== null && key !== undefined && presented !== key) {
    throw new DomainError("unauthenticated", "the Authorization header and the body hold different credentials");
  }
  const shown = presented ?? key;
  if (shown === undefined)
    throw new DomainError("unauthenticated", "no API key: send it as 'Authorization: Bearer <key>'");
  const credential = await credentialOf(ports, shown);
  if (credential.kind === "outside") {
    throw denied("token_issuance_forbidden", "a token of another issuer is good as it is and not exchanged");
  }
  const { principal } = await ports.keys.authenticate(credential, { kind: "none" });
  if (!principal) throw new DomainError("unauthenticated", "the API key is not valid or was revoked");
  return principal;
}

function checkType({ type = "apikey", key, presented, projectId, accountId }: TokenRequest): void {
  if (type === "environment") throw denied("restricted_environment", "no tokens are issued for an environment");
  if (type === "agent" || type === "service_account") {
    throw denied("token_issuance_forbidden", `no tokens of type ${type} are issued`);
  }
  if (type !== "apikey" && key !== undefined) throw invalid("key", `does not belong to a token of type ${type}`);
  if (type === "apikey" && key === undefined && presented === null) throw invalid("key", "is required");
  if (type === "apikey" && (projectId ?? accountId) !== undefined) {
    throw invalid(projectId === undefined ? "account_id" : "project_id", "comes from the API key");
  }
}

/** What the client's types have of a token. The signature says who it is; all of this is for whoever holds it. */
function claimsOf(principal: Principal, names: TokenNames, origin: string) {
  const { accountId, projectId, keyId, scopes } = principal;
  const account = { id: accountId, name: names.account };
  const mayWrite = scopes.includes("write");
  return {
    iss: origin,
    sub: `apikey:${keyId}`,
    name: names.key,
    type: "apikey",
    ...{ account, accounts: [account], account_roles: ["member"] },
    project: { id: PROJECT_PREFIX + projectId, name: names.project, account: accountId },
    project_roles: [mayWrite ? "admin" : "reader"],
    apps: [],
    endpoints: { studio: origin, store: origin, token: origin },
    scopes: scopes satisfies Scope[],
    key_id: keyId,
  };
}

function denied(errorCode: DenialCode, message: string): DomainError {
  return new DomainError("forbidden", message, { facts: { errorCode } });
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}
