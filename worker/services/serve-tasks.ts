/**
 * An engine's serve tasks: jobs of kind `serve`, made once for each place in a run however often that is tried, since
 * their idempotency keys name engine, run and place. So what a crash has left unnamed in the engine's row is found again.
 */
import { jobSpec, type JobSpec } from "../../protocol";
import { methodOf, type EngineRecord } from "../domain/engines";
import { normaliseHyperparameters } from "../domain/hyperparameters";
import type { JobRecord } from "../domain/job";
import type { JobStore } from "../domain/ports";
import { serveBytes } from "../domain/serve-memory";
import { cancelLive, type ControlPorts } from "./control-job";
import { createJob, earlierAnswer, type CreatePorts } from "./create-job";

const ROUTE = "engine.serve";

export interface ServeTaskPorts extends CreatePorts, ControlPorts {
  sha256Hex: (text: string) => Promise<string>;
}

/** Those of any run that have not ended. */
export async function unendedTasks(ports: { jobs: JobStore }, { id, accountId }: EngineRecord): Promise<JobRecord[]> {
  return ports.jobs.unendedOfKeys(accountId, [ROUTE], `${id} `);
}

/** The task at the `place`-th place of the engine's run. */
export async function serveTask(ports: ServeTaskPorts, engine: EngineRecord, place: number): Promise<JobRecord> {
  const key = `${engine.id} ${String(engine.run)} ${String(place)}`;
  const idempotency = { route: ROUTE, key, requestSha256: await ports.sha256Hex(key) };
  const { accountId, projectId, baseModel } = engine;
  const earlier = await earlierAnswer(ports, accountId, idempotency);
  if (earlier) return earlier;
  const origin = { accountId, projectId, baseModel, kind: "serve" as const, retryOf: null, startJobId: null };
  return createJob(ports, { ...origin, spec: serveSpec(engine) }, idempotency);
}

/** All but those in `keep`. */
export async function cancelTasks(ports: ServeTaskPorts, tasks: JobRecord[], keep: readonly string[]): Promise<void> {
  await Promise.all(tasks.filter(({ id }) => !keep.includes(id)).map((task) => cancelLive(ports, task)));
}

function serveSpec({ id, name, base, taskType, gpu, provider }: EngineRecord): JobSpec {
  const method = methodOf(taskType);
  return jobSpec.parse({
    version: 1,
    method,
    base_model: base,
    dataset_id: "",
    output_name: name,
    gpu,
    provider,
    functions: [],
    hyperparameters: normaliseHyperparameters(method, {}, { gpuCount: gpu.count }).values,
    serve: { engine_id: id, task: taskType, memory_bytes: serveBytes(base, gpu) },
  });
}
