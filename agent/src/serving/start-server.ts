/** Which model server serves an engine here, and its start. */
import type { ModelServerConfig } from "../../../protocol";
import { SERVED_SHARE } from "../host-probe";
import type { LogPump } from "../log-pump";
import type { TaskWork } from "../task-work";
import type { ModelServer } from "./model-server";
import type { ServerHost } from "./server-process";
import { startSmallServer } from "./small-server";
import { VllmServer } from "./vllm-server";

/** The small server takes its requests in turns, a token each: many at once are slow, and none waits for another's end. */
const MAX_ACTIVE = 64;
const MAX_QUEUE = 64;

/**
 * vLLM for what generates text on GPUs, where this host has one; it knows no logits of classifiers, and the built-in
 * models are made by Python of ours.
 */
export async function startModelServer(
  { lease, slot, paths, control, deps }: TaskWork,
  baseModel: ModelServerConfig["base_model"],
  pump: LogPump,
): Promise<ModelServer> {
  const { spec } = lease;
  if (!spec.serve) throw new Error(`lease ${lease.lease_id} is to serve, but no engine is named`);
  const { engine_id, task, memory_bytes: memoryBytes } = spec.serve;
  const host: ServerHost = { ...deps, leaseId: lease.lease_id, pump };
  const { small, vllm } = deps.servers;
  if (vllm !== null && slot.gpus.length > 0 && task === "text-generation" && baseModel.kind !== "builtin") {
    const gpuBytes = (slot.serve_bytes ?? 0) / SERVED_SHARE;
    const base = baseModel.kind === "hub" ? baseModel.id : baseModel.path;
    const { gpus } = slot;
    return new VllmServer({ executable: vllm, base, gpus, gpuBytes, memoryBytes, paths: deps.paths }, host);
  }
  const config: ModelServerConfig = {
    version: 1,
    engine_id,
    task,
    base_model: baseModel,
    gpus: slot.gpus,
    torch_threads: deps.torchThreads,
    max_active: MAX_ACTIVE,
    max_queue: MAX_QUEUE,
  };
  return startSmallServer(config, small, paths, host, control.stopping);
}
