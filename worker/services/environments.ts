/** Environments: made, listed and changed. A key of theirs is sealed before it is stored, and is never read back. */
import { actorOf, type Principal } from "../domain/accounts";
import type { EnvironmentRecord } from "../domain/environments";
import { checkedName, invalid, notFound } from "../domain/errors";
import { checkConfiguration } from "../domain/job-defaults";
import type { AccountStore, Clock, EnvironmentStore, EnvironmentUpdate, Ids, SecretSealer } from "../domain/ports";
import { limitFault } from "../domain/row-limits";
import type { EnvironmentChanges, EnvironmentFields, NewEnvironment } from "./environment-services";

export interface EnvironmentPorts {
  environments: EnvironmentStore;
  accounts: AccountStore;
  secrets: SecretSealer;
  ids: Ids;
  clock: Clock;
}

/** As many as an answer lists. */
export const MAX_ENVIRONMENTS = 1000;
const MAX_ALLOWED_PROJECTS = 100;
/** Of these many characters a hint shows the first and last four. */
const MIN_HINTED_CHARS = 16;
const HINT_CHARS = 4;

export async function createEnvironment(
  ports: EnvironmentPorts,
  principal: Principal,
  environment: NewEnvironment,
): Promise<EnvironmentRecord> {
  const nowMs = ports.clock.nowMs();
  const by = actorOf(principal);
  const record: EnvironmentRecord = {
    id: ports.ids.next(),
    accountId: principal.accountId,
    name: environment.name,
    provider: environment.provider,
    description: null,
    endpointUrl: null,
    defaultModel: null,
    enabledModels: [],
    apiKeySealed: null,
    apiKeyHint: null,
    config: {},
    settings: null,
    allowedProjects: [],
    createdBy: by,
    updatedBy: by,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    ...(await checked(ports, principal, environment)),
  };
  await ports.environments.create(record);
  return record;
}

export async function listEnvironments(
  ports: EnvironmentPorts,
  { accountId, projectId }: Principal,
  ofAccount: boolean,
): Promise<EnvironmentRecord[]> {
  return ports.environments.list(accountId, ofAccount ? null : projectId, MAX_ENVIRONMENTS);
}

export async function updateEnvironment(
  ports: EnvironmentPorts,
  principal: Principal,
  environment: EnvironmentRecord,
  { fields = {}, config, enable, disable }: EnvironmentChanges,
): Promise<EnvironmentRecord> {
  if (config) checkConfiguration("config", config);
  const update: EnvironmentUpdate = {
    set: await checked(ports, principal, fields),
    ...(config && { mergeConfig: config }),
    ...(enable && { enable }),
    ...(disable === undefined ? {} : { disable }),
    by: actorOf(principal),
    nowMs: ports.clock.nowMs(),
  };
  const updated = await ports.environments.update(principal.accountId, environment.id, update);
  if (!updated) throw notFound("environment");
  return updated;
}

async function checked(
  ports: EnvironmentPorts,
  principal: Principal,
  { apiKey, allowedProjects, ...fields }: Partial<EnvironmentFields>,
): Promise<NonNullable<EnvironmentUpdate["set"]>> {
  if (fields.name !== undefined) checkedName(fields.name);
  if (fields.config) checkConfiguration("config", fields.config);
  const fault = limitFault(fields.settings);
  if (fault !== null) throw invalid("settings", fault);
  return {
    ...fields,
    ...(allowedProjects && { allowedProjects: await ownProjects(ports, principal, allowedProjects) }),
    ...(apiKey === undefined ? {} : await sealed(ports, apiKey)),
  };
}

async function ownProjects(
  { accounts }: EnvironmentPorts,
  { accountId }: Principal,
  ids: (string | null)[],
): Promise<string[]> {
  const field = "allowed_projects";
  if (ids.length > MAX_ALLOWED_PROJECTS) {
    throw invalid(field, `names more than ${String(MAX_ALLOWED_PROJECTS)} projects`);
  }
  const own = async (id: string | null, index: number): Promise<string> => {
    const project = id === null ? null : await accounts.getProject(accountId, id);
    if (!project) throw invalid(`${field}.${String(index)}`, "is not a project of the account");
    return project.id;
  };
  return Promise.all(ids.map(own));
}

async function sealed(
  { secrets }: EnvironmentPorts,
  apiKey: string,
): Promise<Pick<EnvironmentRecord, "apiKeySealed" | "apiKeyHint">> {
  if (apiKey === "") return { apiKeySealed: null, apiKeyHint: null };
  const isLong = apiKey.length >= MIN_HINTED_CHARS;
  return {
    apiKeySealed: await secrets.seal("environment-api-key", apiKey),
    apiKeyHint: isLong ? `${apiKey.slice(0, HINT_CHARS)}...${apiKey.slice(-HINT_CHARS)}` : "...",
  };
}
