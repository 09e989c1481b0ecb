/**
 * Agent → worker, under /agent/v1 (DESIGN §4). The agent only dials out.
 *
 *   POST   /agent/v1/register                   Bearer <bootstrap token>, or the agent token to renew it;
 *                                               registerRequest → registerResponse
 *   GET    /agent/v1/connect                    WebSocket; Bearer <agent token>; the worker sends socketMessage
 *   POST   /agent/v1/leases                     claimRequest → 200 lease | 204 nothing to do
 *   GET    /agent/v1/engines/{id}/connect       WebSocket of a serve task (serving.ts)
 *   GET    /agent/v1/leases/{lease}/deployments servedDeployments (serving.ts)
 *   POST   /agent/v1/leases/{lease}/reports     reportRequest → reportResponse | 409 stale or gap
 *   POST   /agent/v1/leases/{lease}/checkpoints/begin    beginCheckpointRequest → beginCheckpointResponse
 *   POST   /agent/v1/leases/{lease}/checkpoints/commit   commitCheckpointRequest → commitCheckpointResponse
 *   POST   /agent/v1/leases/{lease}/finish      finishRequest → finishResponse
 *   POST   /agent/v1/leases/{lease}/release     releaseRequest → finishResponse
 *
 * A lease id is `<task id>.<epoch>`. A stale epoch or a foreign agent gets 409 `{error:{code:"stale_lease"}}` and nothing
 * has changed. Errors are `{error:{code, message, detail?}}`. Every request but register carries `Authorization: Bearer
 * <agent token>`. 429 and 5xx may be tried again (Retry-After is honoured); other 4xx may not.
 */
import { z } from "zod";
import { baseModelRef, datasetFormat, functionFormat, jobSpec, taskKind } from "./spec";
import { failureReason } from "./reasons";
import { metricKind, metricValues, trainerEventType } from "./trainer";
import { checkpointFile, sha256Hex } from "./checkpoint";

export const PROTOCOL_VERSION = 1;

export const gpuInfo = z.object({ name: z.string(), memory_bytes: z.int().min(0) });

/**
 * What one task may occupy. A GPU slot is a set of GPUs used together; the CPU slot is the machine without them. A slot with
 * `serve_bytes` is for tasks of kind `serve` alone, which share it: so much memory is left for one more of them.
 */
export const slotInfo = z.object({
  id: z.string(),
  kind: z.enum(["gpu", "cpu"]),
  gpus: z.array(z.int().min(0)),
  serve_bytes: z.int().min(0).optional(),
});
export type SlotInfo = z.infer<typeof slotInfo>;

export const registerRequest = z.object({
  protocol: z.literal(PROTOCOL_VERSION),
  /** Random, kept in the agent's state directory: the same pair of token and nonce gets the same agent. */
  nonce: z.string().min(16).max(100),
  name: z.string().min(1).max(200),
  agent_version: z.string().max(100),
  gpus: z.array(gpuInfo).max(64),
  cpu_count: z.int().min(1),
  memory_bytes: z.int().min(0),
  driver: z.string().max(200).nullable(),
  /** A real CUDA call in torch, not nvidia-smi; null where there is no GPU. */
  cuda_probe: z.object({ ok: z.boolean(), detail: z.string().max(2000) }).nullable(),
  isolation: z.object({ level: z.int().min(0).max(3), detail: z.string().max(2000) }),
  slots: z.array(slotInfo).min(1).max(64),
});
export type RegisterRequest = z.infer<typeof registerRequest>;

export const registerResponse = z.object({
  agent_id: z.string(),
  agent_token: z.string(),
  token_expires_at_ms: z.int(),
  heartbeat_ms: z.int().min(1),
  lease_ms: z.int().min(1),
});
export type RegisterResponse = z.infer<typeof registerResponse>;

/** Pushed over the socket; each is only a hint, since the heartbeat's answer says the same. */
export const socketMessage = z.discriminatedUnion("type", [
  z.object({ type: z.literal("wake"), task_id: z.string() }),
  z.object({ type: z.literal("cancel"), lease_id: z.string() }),
  z.object({ type: z.literal("drain") }),
]);
export type SocketMessage = z.infer<typeof socketMessage>;

export const claimRequest = z.object({
  /** Fresh for every try; the same id gets the same lease, so a lost answer loses nothing. */
  claim_id: z.string().min(16).max(100),
  free_slots: z.array(slotInfo).min(1).max(64),
  /** From a wake message: tried first. */
  task_id: z.string().optional(),
  /** Long poll: how long the worker may wait for work, at most 20 s. 0 answers at once. */
  wait_ms: z.int().min(0).max(20_000),
});
export type ClaimRequest = z.infer<typeof claimRequest>;

/** A file to fetch: GET `url` (Range works), then compare size and SHA-256. */
export const download = z.object({ url: z.string(), size: z.int().min(0), sha256: sha256Hex });
export type Download = z.infer<typeof download>;

const functionInput = download.extend({ id: z.string(), name: z.string(), format: functionFormat });

const datasetInput = download.extend({ format: datasetFormat, name: z.string() });

/** A committed checkpoint to start from. */
export const checkpointInput = z.object({
  checkpoint_id: z.string(),
  step: z.int().min(0),
  epoch: z.number(),
  files: z.array(checkpointFile.omit({ members: true }).extend({ url: z.string() })),
});
export type CheckpointInput = z.infer<typeof checkpointInput>;

export const lease = z.object({
  lease_id: z.string(),
  task_id: z.string(),
  kind: taskKind,
  job_id: z.string(),
  epoch: z.int().min(1),
  attempt: z.int().min(1),
  slot_id: z.string(),
  expires_at_ms: z.int(),
  heartbeat_ms: z.int().min(1),
  lease_ms: z.int().min(1),
  spec: jobSpec,
  /** How the agent gets the base: `job` references come with the files of that checkpoint. */
  base_model: baseModelRef,
  inputs: z.object({
    /** null for `import` and `serve`. */
    dataset: datasetInput.nullable(),
    /** Where the spec is `preprocessed_by` a task: its `cache`. */
    preprocessed: checkpointInput.optional(),
    /** Where the spec's `eval` names one. */
    eval_dataset: datasetInput.optional(),
    functions: z.array(functionInput.extend({ weight: z.number() })),
    base_checkpoint: checkpointInput.nullable(),
    resume: checkpointInput.nullable(),
    /**
     * Where the spec has a `test`: its dataset if it names one, its functions, the committed checkpoints that are still
     * to be tested in the order of their steps, and whether the final one is among what is committed.
     */
    test: z
      .object({
        dataset: datasetInput.optional(),
        functions: z.array(functionInput),
        untested: z.array(checkpointInput),
        is_trained: z.boolean(),
      })
      .optional(),
  }),
  limits: z.object({
    resume_interval_ms: z.int().min(1),
    /** What is left of the job's logs after earlier attempts, and the token bucket that feeds them; what is over is dropped and counted in a notice. */
    log_bytes: z.int(),
    log_bytes_per_second: z.int(),
    user_code: z.object({
      timeout_seconds: z.number().positive(),
      memory_bytes: z.int().positive(),
      output_bytes: z.int().positive(),
    }),
  }),
});
export type Lease = z.infer<typeof lease>;

/** The last millisecond that a Date can hold. */
const ts_ms = z.int().min(0).max(8_640_000_000_000_000);

/** Items of the `data` lane. */
export const dataItem = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("started"),
    ts_ms,
    total_steps: z.int().min(0),
    resumed_from_step: z.int().min(0),
    world_size: z.int().min(1),
    device: z.string(),
    versions: z.record(z.string(), z.string()),
  }),
  z.object({ type: z.literal("metrics"), ts_ms, step: z.int().min(0), kind: metricKind, values: metricValues }),
  z.object({
    type: z.literal("progress"),
    ts_ms,
    step: z.int().min(0),
    total_steps: z.int().min(0),
    epoch: z.number(),
  }),
  z.object({ type: z.literal("testing"), ts_ms, done: z.int().min(0), total: z.int().min(1) }),
  z.object({
    type: z.literal("event"),
    ts_ms,
    event_type: trainerEventType,
    metadata: z.record(z.string(), z.unknown()),
  }),
  z.object({ type: z.literal("notice"), ts_ms, message: z.string().max(8000) }),
]);
export type DataItem = z.infer<typeof dataItem>;

/** A line of the user's log, at most 16 KiB of text. */
export const logLine = z.object({ ts_ms, stream: z.enum(["stdout", "stderr", "agent"]), line: z.string().max(16_384) });
export type LogLine = z.infer<typeof logLine>;

/** At most 2,000 items and 1 MiB a report. `seq` counts from 1 in each lane of an epoch, without gaps. */
export const reportRequest = z.discriminatedUnion("lane", [
  z.object({ lane: z.literal("heartbeat"), step: z.int().min(0).nullable() }),
  z.object({ lane: z.literal("data"), seq: z.int().min(1), items: z.array(dataItem).min(1).max(2000) }),
  z.object({ lane: z.literal("logs"), seq: z.int().min(1), lines: z.array(logLine).min(1).max(2000) }),
]);
export type ReportRequest = z.infer<typeof reportRequest>;

/** What the agent does with its lease from here on. `lost`: end the trainer, change nothing more. */
export const directive = z.enum(["continue", "cancel", "pause", "lost"]);
export type Directive = z.infer<typeof directive>;

export const reportResponse = z.object({
  directive,
  expires_at_ms: z.int(),
  /** How long to gather before the next report of a busy lane: short while someone listens. */
  flush_ms: z.int().min(0),
  /** A renewed agent token, in heartbeat answers when the old one is past half its life. */
  agent_token: z.string().optional(),
  token_expires_at_ms: z.int().optional(),
});
export type ReportResponse = z.infer<typeof reportResponse>;

/** Ends the task. `completed` needs a committed final checkpoint, else 409 `no_final_checkpoint`. */
export const finishRequest = z.discriminatedUnion("outcome", [
  z.object({
    outcome: z.literal("completed"),
    step: z.int().min(0),
    early_stopped: z.boolean().optional(),
    best_step: z.int().min(0).optional(),
  }),
  z.object({
    outcome: z.literal("failed"),
    reason: failureReason,
    message: z.string().max(4000),
    log_tail: z.array(z.string().max(2000)).max(50),
  }),
  /** The trainer has ended because the answer to a report said so. */
  z.object({ outcome: z.literal("cancelled") }),
]);
export type FinishRequest = z.infer<typeof finishRequest>;

/** Gives the task back unfinished: the agent is being stopped. The job is queued again from its last checkpoint. */
export const releaseRequest = z.object({
  reason: z.enum(["preempted", "setup_failed"]),
  message: z.string().max(4000),
});
export type ReleaseRequest = z.infer<typeof releaseRequest>;

export const finishResponse = z.object({ status: z.string() });

export const agentError = z.object({
  error: z.object({ code: z.string(), message: z.string(), detail: z.record(z.string(), z.unknown()).optional() }),
});
