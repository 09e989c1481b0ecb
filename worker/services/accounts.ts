/** Accounts with their first project and key; further projects and keys. */
import {
  actorOf,
  type AccountRecord,
  type ApiKeyRecord,
  type Principal,
  type ProjectRecord,
  type ProjectUpdate,
  type Scope,
} from "../domain/accounts";
import { checkedName, DomainError, invalid, notFound } from "../domain/errors";
import { shardOf } from "../domain/ids";
import { checkConfiguration } from "../domain/job-defaults";
import type { AccountStore, Clock, Ids, KeyStore, Page, PageRequest } from "../domain/ports";
import type { NewKey } from "./services";

/** What `vk_a1b2c3d4` shows of a key. */
const SHOWN_PREFIX_CHARS = 11;
const DEFAULT_SCOPES: Scope[] = ["read", "write", "agent"];

export interface AccountPorts {
  accounts: AccountStore;
  keys: KeyStore;
  ids: Ids;
  clock: Clock;
  sha256Hex: (text: string) => Promise<string>;
}

export async function createAccount(
  ports: AccountPorts,
  name: string,
): Promise<{ account: AccountRecord; project: ProjectRecord; key: NewKey }> {
  const createdAtMs = ports.clock.nowMs();
  const account = { id: ports.ids.next(), name, createdAtMs };
  const project = newProject(ports.ids.next(), account.id, "default", createdAtMs);
  const key = newKey(ports, { accountId: account.id, projectId: project.id }, "default", "sk-", DEFAULT_SCOPES);
  await ports.accounts.create(account, project, key.record, await ports.sha256Hex(key.key));
  return { account, project, key };
}

export async function listAccounts(ports: AccountPorts, page: PageRequest): Promise<Page<AccountRecord>> {
  return ports.accounts.list(page);
}

export async function createProject(
  ports: AccountPorts,
  principal: Principal,
  name: string,
  more: Partial<Pick<ProjectRecord, "namespace" | "description">> = {},
): Promise<ProjectRecord> {
  const by = actorOf(principal);
  const project = {
    ...newProject(ports.ids.next(), principal.accountId, name, ports.clock.nowMs()),
    ...{ createdBy: by, updatedBy: by },
    ...more,
  };
  await ports.accounts.createProject(project);
  return project;
}

function newProject(id: string, accountId: string, name: string, createdAtMs: number): ProjectRecord {
  const unset = { description: null, configuration: null, namespace: null, createdBy: null, updatedBy: null };
  return { id, accountId, name, createdAtMs, updatedAtMs: null, ...unset };
}

export async function updateProject(
  ports: AccountPorts,
  principal: Principal,
  project: ProjectRecord,
  changes: Pick<ProjectUpdate, "set" | "mergeConfiguration">,
): Promise<ProjectRecord> {
  const { set, mergeConfiguration } = changes;
  if (set?.name !== undefined) checkedName(set.name);
  if (mergeConfiguration) checkConfiguration("configuration", mergeConfiguration);
  const update = { ...changes, by: actorOf(principal), nowMs: ports.clock.nowMs() };
  const updated = await ports.accounts.updateProject(principal.accountId, project.id, update);
  if (!updated) throw notFound("project");
  return updated;
}

export async function getProject(ports: AccountPorts, principal: Principal, id: string | null): Promise<ProjectRecord> {
  const project = id === null ? null : await ports.accounts.getProject(principal.accountId, id);
  if (!project) throw notFound("project");
  return project;
}

export async function listProjects(
  ports: AccountPorts,
  principal: Principal,
  page: PageRequest,
): Promise<Page<ProjectRecord>> {
  return ports.accounts.listProjects(principal.accountId, page);
}

/** As many as are looked at for a free number; nobody has more projects without a name of their own. */
const NUMBERED_PROJECTS = 1000;

/** `<stem>-<n>` that none of the account's newest projects is called. */
export async function nextProjectName(ports: AccountPorts, principal: Principal, stem: string): Promise<string> {
  const { items } = await listProjects(ports, principal, { limit: NUMBERED_PROJECTS });
  const taken = new Set(items.map(({ name }) => name));
  let n = 1;
  while (taken.has(`${stem}-${String(n)}`)) n += 1;
  return `${stem}-${String(n)}`;
}

export async function createKey(
  ports: AccountPorts,
  principal: Principal,
  name: string,
  prefix: "vk_" | "sk-",
  scopes?: Scope[],
): Promise<NewKey> {
  const wanted = scopes ?? principal.scopes;
  const wider = wanted.filter((scope) => !principal.scopes.includes(scope));
  if (wider.length > 0) {
    throw new DomainError("forbidden", `this key cannot give what it has not: ${wider.join(", ")}`);
  }
  if (wanted.length === 0) throw invalid("scopes", "name at least one scope");
  const key = newKey(ports, principal, name, prefix, wanted);
  await ports.keys.create(key.record, await ports.sha256Hex(key.key));
  return key;
}

export async function listKeys(
  ports: AccountPorts,
  principal: Principal,
  page: PageRequest,
): Promise<Page<ApiKeyRecord>> {
  return ports.keys.list(principal.accountId, page);
}

export async function revokeKey(ports: AccountPorts, principal: Principal, id: string | null): Promise<void> {
  const revoked = id !== null && (await ports.keys.revoke(principal.accountId, id, ports.clock.nowMs()));
  if (!revoked) throw notFound("API key");
}

/** `vk_` or `sk-`, then 2 hex digits of shard and 38 of random (DESIGN §6). */
function newKey(
  ports: AccountPorts,
  owner: { accountId: string; projectId: string },
  name: string,
  prefix: "vk_" | "sk-",
  scopes: Scope[],
): NewKey {
  const key = `${prefix}${shardOf(owner.accountId)}${ports.ids.randomHex(19)}`;
  const record: ApiKeyRecord = {
    id: ports.ids.next(),
    accountId: owner.accountId,
    projectId: owner.projectId,
    name,
    prefix: key.slice(0, SHOWN_PREFIX_CHARS),
    scopes,
    createdAtMs: ports.clock.nowMs(),
    lastUsedAtMs: null,
    revokedAtMs: null,
  };
  return { record, key };
}
