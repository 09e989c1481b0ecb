/** Who calls where no key is asked for: the one account that a deployment for a single tenant has. */
import { DomainError } from "../domain/errors";
import type { Principal } from "../domain/accounts";
import type { ModuleSessionStore } from "../domain/module-sessions";
import { NOTHING_READ, type AccountStore, type FirstRead, type FirstReadResult } from "../domain/ports";

/** No key of the account's has this id. */
const OPEN_KEY_ID = "open";

export async function authenticateOpen(
  ports: { accounts: AccountStore; moduleSessions: ModuleSessionStore },
  read: FirstRead,
): Promise<{ principal: Principal; first: FirstReadResult }> {
  if (read.kind !== "none" && read.kind !== "module") throw new Error(`open mode reads no ${read.kind}`);
  const only = await ports.accounts.only();
  if (only === null) {
    const why = "without an API key only a deployment with exactly one account answers";
    throw new DomainError("forbidden", `${why}; send the key as 'Authorization: Bearer <key>'`);
  }
  const principal: Principal = { ...only, keyId: OPEN_KEY_ID, scopes: ["read", "write"], lastUsedAtMs: null };
  const module = read.kind === "module" ? await ports.moduleSessions.active(only.accountId) : null;
  return { principal, first: { ...NOTHING_READ, module } };
}
