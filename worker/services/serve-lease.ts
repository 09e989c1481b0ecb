/** What the agent of a serve task asks for besides its lease: its socket to the engine, and the models to have ready. */
import type { CheckpointInput, ServedDeployment, ServedDeployments } from "../../protocol";
import type { AgentPrincipal } from "../domain/agents";
import type { DeploymentRecord, EngineRecord } from "../domain/engines";
import { DomainError, invalid, notFound } from "../domain/errors";
import { parseLeaseId } from "../domain/ids";
import { isLive } from "../domain/job-state";
import type {
  CheckpointStore,
  Clock,
  DeploymentStore,
  EngineDoors,
  EngineStore,
  JobStore,
  ManifestStore,
  ServingAgent,
  UrlSigner,
} from "../domain/ports";
import { checkpointFiles } from "./model-download";

/** One object serves an engine today; its name has the number from the start (design/relay.md). */
const ONLY_SHARD = "0";

export interface ServeLeasePorts {
  jobs: JobStore;
  checkpoints: CheckpointStore;
  manifests: ManifestStore;
  urls: UrlSigner;
  engines: EngineStore;
  deployments: DeploymentStore;
  engineDoors: EngineDoors;
  clock: Clock;
}

/** The lease must be live and this agent's, and its engine this one. */
export async function connectEngine(
  ports: ServeLeasePorts,
  agent: AgentPrincipal,
  engineId: string,
  query: { lease: string; shard: string },
  request: Request,
): Promise<Response> {
  if (query.shard !== ONLY_SHARD) throw invalid("shard", "must be 0: the engine has no other");
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") throw invalid("upgrade", "must be 'websocket'");
  const held = await heldServing(ports, agent, query.lease);
  if (held.engineId !== engineId) throw new DomainError("stale_lease", "this lease is of another engine");
  return ports.engineDoors.of(engineId).connect(held.serving, request);
}

/** What is live on the engine, oldest first. One whose checkpoint has proved bad fails here, and is left out. */
export async function servedDeployments(
  ports: ServeLeasePorts,
  agent: AgentPrincipal,
  leaseId: string,
  origin: string,
): Promise<ServedDeployments> {
  const { engineId } = await heldServing(ports, agent, leaseId);
  const engine = await ports.engines.load(engineId);
  if (!engine || engine.deletedAtMs !== null) throw notFound("engine");
  const live = (await ports.deployments.ofEngine(engineId)).filter(({ state }) => state === "live");
  const served = await Promise.all(live.map((deployment) => toServed(ports, engine, deployment, origin)));
  return { deployments: served.filter((deployment) => deployment !== null) };
}

/** Throws `stale_lease` for a lease that is not the agent's own and present. */
async function heldServing(
  { jobs }: Pick<ServeLeasePorts, "jobs">,
  agent: AgentPrincipal,
  leaseId: string,
): Promise<{ engineId: string; serving: ServingAgent }> {
  const lease = parseLeaseId(leaseId);
  const job = lease && (await jobs.load(lease.taskId));
  const isOthers = agent.accountId !== null && job?.accountId !== agent.accountId;
  if (!lease || !job?.spec.serve || isOthers) throw notFound("lease");
  const { epoch, agentId } = job.task;
  if (agentId !== agent.agentId || epoch !== lease.epoch || !isLive(job.status)) {
    throw new DomainError("stale_lease", "this lease is no longer yours; end the task and change nothing");
  }
  return { engineId: job.spec.serve.engine_id, serving: { agentId, taskId: job.id, epoch } };
}

async function toServed(
  ports: ServeLeasePorts,
  engine: EngineRecord,
  deployment: DeploymentRecord,
  origin: string,
): Promise<ServedDeployment | null> {
  const { id, taskType: task, jobId, checkpointId } = deployment;
  if (jobId === null || checkpointId === null) return { id, task, checkpoint: null };
  const checkpoint = await ports.checkpoints.get(jobId, checkpointId);
  if (checkpoint?.state !== "committed") {
    await ports.deployments.markFailed(id, "its checkpoint is no longer good", ports.clock.nowMs());
    return null;
  }
  const [job, files] = await Promise.all([ports.jobs.load(jobId), checkpointFiles(ports, checkpoint, origin)]);
  // An adapter is of use where the engine has the very model that it was trained on; merged weights are of use anywhere.
  const sharesBase = JSON.stringify(job?.spec.base_model) === JSON.stringify(engine.base);
  const adapter = sharesBase ? files.filter(({ role }) => role === "adapter") : [];
  const wanted = adapter.length > 0 ? adapter : files.filter(({ role }) => role === "model");
  const input: CheckpointInput = {
    ...{ checkpoint_id: checkpoint.id, step: checkpoint.step, epoch: checkpoint.epoch },
    files: wanted.map(({ sizeBytes, ...file }) => ({ ...file, size: sizeBytes })),
  };
  return { id, task, checkpoint: input };
}
