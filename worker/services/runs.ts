/** Runs of a principal's project, looked at and cloned. */
import { actorOf, type Principal } from "../domain/accounts";
import { invalid, notFound } from "../domain/errors";
import { MAX_BODIES_BYTES } from "../domain/run-ports";
import type { Clock, EnvironmentStore, Ids, RunStore } from "../domain/ports";
import type { ListedRun, RetrievedRun, RunBody, RunFilter, RunPage, RunRecord } from "../domain/runs";
import type { RunReferences } from "./run-services";

export interface RunPorts {
  runs: RunStore;
  ids: Ids;
  clock: Clock;
}

export async function findRuns(
  ports: Pick<RunPorts, "runs">,
  principal: Principal,
  filter: RunFilter,
  page: RunPage,
): Promise<RetrievedRun[]> {
  const listed = await ports.runs.list(principal, filter, page);
  const bodies = await ports.runs.bodies(
    principal,
    listed.map(({ id }) => id),
  );
  return listed.map((run) => ({ ...run, body: bodyOf(bodies, run) }));
}

function bodyOf(bodies: Map<string, RunBody>, run: ListedRun): RunBody {
  const body = bodies.get(run.id);
  if (body !== undefined) return body;
  throw invalid("limit", `so many runs are over ${String(MAX_BODIES_BYTES)} bytes; ask for fewer`);
}

export async function getRun(
  ports: Pick<RunPorts, "runs">,
  principal: Principal,
  id: string | null,
): Promise<RetrievedRun> {
  const run = id === null ? null : await ports.runs.get(principal, id);
  if (!run) throw notFound("run");
  return run;
}

/** What a run refers to, whole; null where it refers to nothing, or to what is gone. */
export async function runReferences(
  ports: Pick<RunPorts, "runs"> & { environments: EnvironmentStore },
  principal: Principal,
  { parentId, environmentId }: RetrievedRun,
): Promise<RunReferences> {
  const { accountId } = principal;
  const [parent, environment] = await Promise.all([
    parentId === null ? null : ports.runs.get(principal, parentId),
    environmentId === null ? null : ports.environments.get(accountId, environmentId),
  ]);
  return { parent, environment };
}

export async function cloneRun(
  ports: RunPorts,
  principal: Principal,
  id: string | null,
  workflow: RunBody["workflow"],
): Promise<RetrievedRun> {
  const source = await getRun(ports, principal, id);
  const nowMs = ports.clock.nowMs();
  const { prompt, parameters, config, resultSchema } = source.body;
  const { environment, accountName, projectName, ...record } = source;
  const clone: RunRecord = {
    ...record,
    id: ports.ids.next(),
    status: "created",
    hasResult: false,
    tokenUse: null,
    executionTimeMs: null,
    finishReason: null,
    createdBy: actorOf(principal),
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    body: JSON.parse(JSON.stringify({ prompt, result: [], parameters, config, resultSchema, workflow })) as RunBody,
  };
  await ports.runs.add([clone]);
  return { ...clone, environment, accountName, projectName };
}
