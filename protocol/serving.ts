/**
 * Serving (design/relay.md). A serve task is leased like any other; its agent then opens
 *
 *   GET /agent/v1/engines/{engine}/connect?shard=0&lease=<lease id>   WebSocket; Bearer <agent token>; frames (frames.ts)
 *   GET /agent/v1/leases/{lease}/deployments                          servedDeployments, whenever it is told that they changed
 *
 * and runs a model server on its own machine, to which it brings the requests. `started` in the data lane says that the
 * model server runs; from then on the task is `running`. It ends when the worker cancels it.
 */
import { z } from "zod";
import { checkpointInput } from "./agent";
import { serveTask } from "./spec";

/** What can be asked of a deployment; the body is that of OpenAI's API where there is one, with `model` left out. */
export const ENDPOINTS = ["chat", "completions", "embeddings", "classification", "regression"] as const;
export const endpoint = z.enum(ENDPOINTS);
export type Endpoint = z.infer<typeof endpoint>;

/** What each task's deployments answer. */
export const ENDPOINTS_OF = {
  "text-generation": ["chat", "completions"],
  embedding: ["embeddings"],
  classification: ["classification"],
  regression: ["regression"],
} as const satisfies Record<z.infer<typeof serveTask>, readonly Endpoint[]>;

export const relayOpen = z.object({
  deployment_id: z.string(),
  endpoint,
  stream: z.boolean(),
  /** Written into the answer, and into each piece of a streamed one: what the model server says there is its own affair. */
  answer: z.object({ id: z.string(), model: z.string(), created: z.int() }),
  /** Without a byte of the answer for so long the agent gives the request up, and in any case after `total_ms`. */
  idle_ms: z.int().min(1),
  total_ms: z.int().min(1),
  /** Whether `done` brings the text that was answered, to be kept as a run. */
  wants_output: z.boolean(),
});
export type RelayOpen = z.infer<typeof relayOpen>;

/** An answer of 400 or more has a JSON body `{error: {message, param?, code?}}` of at most one frame. */
export const relayHead = z.object({ status: z.int().min(200).max(599), content_type: z.string() });
export type RelayHead = z.infer<typeof relayHead>;

export const usage = z.object({
  prompt_tokens: z.int().min(0),
  completion_tokens: z.int().min(0),
});
export type Usage = z.infer<typeof usage>;

export const relayDone = z.object({
  usage: usage.nullable(),
  finish_reason: z.string().nullable(),
  /** At most 48 KiB of it; `output_is_cut` says that there was more. */
  output: z.string().optional(),
  output_is_cut: z.boolean().optional(),
});
export type RelayDone = z.infer<typeof relayDone>;

/**
 * Why a stream is over before its time. From the agent: `queue_full` (tried elsewhere, else 429), `not_loaded` (tried
 * elsewhere, else 503), `draining` (as not_loaded), `idle`, `too_long`, `no_credit`, `server_error`, `unknown_stream`.
 * From the object: `client_gone`, `idle`, `too_long`, `no_credit`, `unknown_stream`.
 */
export const RESET_CODES = [
  ...["queue_full", "not_loaded", "draining", "idle", "too_long", "no_credit", "server_error"],
  ...["client_gone", "unknown_stream"],
] as const;
export const relayReset = z.object({ code: z.string(), message: z.string().max(2000) });
export type RelayReset = z.infer<typeof relayReset>;

/** Object → agent, stream 0. */
export const engineStatus = z.discriminatedUnion("type", [
  /** Ask for the list of deployments again. */
  z.object({ type: z.literal("deployments_changed") }),
]);
export type EngineStatus = z.infer<typeof engineStatus>;

/** Agent → object, stream 0. `serving` comes first when a socket opens, then a `deployment` for each, and for each change. */
export const servingStatus = z.discriminatedUnion("type", [
  /** How many requests the model server works on at once, and how many more may wait for it. */
  z.object({ type: z.literal("serving"), max_active: z.int().min(1), max_queue: z.int().min(0) }),
  z.object({
    type: z.literal("deployment"),
    id: z.string(),
    state: z.enum(["loading", "ready", "failed", "unloaded"]),
    /** With `failed`. */
    message: z.string().max(2000).optional(),
    /** Of a classifier that is ready, in the order of its outputs; absent when they are more than 32 KiB. */
    labels: z.array(z.string()).optional(),
  }),
]);
export type ServingStatus = z.infer<typeof servingStatus>;

export const servedDeployment = z.object({
  id: z.string(),
  task: serveTask,
  /**
   * null: the engine's base model as it is. Otherwise the checkpoint's files of one role: `adapter`, for the engine's base
   * model, or `model`: weights of its own (or an adapter again where the job's base is on a hub: its `adapter_config.json` tells).
   */
  checkpoint: checkpointInput.nullable(),
});
export type ServedDeployment = z.infer<typeof servedDeployment>;

/** Oldest first. */
export const servedDeployments = z.object({ deployments: z.array(servedDeployment) });
export type ServedDeployments = z.infer<typeof servedDeployments>;
