/**
 * Agent ⇄ model server (DESIGN §4): the small one for machines without CUDA. The agent writes one config file and spawns
 * `python -m anneal_server <config.json>` in its own process group, with ANNEAL_REPORT_FD, ANNEAL_LIFE_FD and SIGTERM (end:
 * nothing is saved) as for a trainer (trainer.ts), and ANNEAL_SERVER_KEY, which every request but /health brings as
 * `Authorization: Bearer`. It listens on 127.0.0.1 alone, on a port of its choice, and tells it by a `ready` line.
 *
 *   GET  /health                    200 once it answers
 *   POST /models/load               loadModel → loadedModel | 4xx/5xx; the answer comes when it is loaded. Repeated: the same
 *   POST /models/unload             {id} → 200 {}; requests that it works on end first
 *   POST /v1/chat/completions       OpenAI's bodies, with the deployment's id as `model`
 *   POST /v1/completions
 *   POST /v1/embeddings             `input` a text or a list of them; `encoding_format` float or base64
 *   POST /v1/classification         {model, input: text} → {data: [{index: 0, logits: {label: x}, probs: {label: p}}], usage}
 *   POST /v1/regression             {model, input: text} → {data: [{index: 0, value: x}], usage}
 *
 * Errors are `{error: {message, type, param, code}}`: 400 naming `param` for what it cannot do, 404 a model that is not
 * loaded, 429 when its queue is full, 500. A streamed answer is `data: {…}` lines and `data: [DONE]`, as OpenAI's; the
 * head comes when the request has been taken in, before its first token. A client that leaves ends its request.
 */
import { z } from "zod";
import { baseModelRef, serveTask } from "./spec";

export const modelServerConfig = z.object({
  version: z.literal(1),
  engine_id: z.string(),
  task: serveTask,
  /** Loaded when the first deployment needs it. */
  base_model: z.discriminatedUnion("kind", [baseModelRef.options[0], baseModelRef.options[1], baseModelRef.options[2]]),
  /** Indices of the GPUs of this slot; empty means CPU. */
  gpus: z.array(z.int().min(0)),
  torch_threads: z.int().min(1).nullable(),
  /** Requests that are worked on at once, and those that may wait; one more is a 429. */
  max_active: z.int().min(1),
  max_queue: z.int().min(0),
});
export type ModelServerConfig = z.infer<typeof modelServerConfig>;

/** On ANNEAL_REPORT_FD, one JSON object a line. */
export const modelServerLine = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ready"), port: z.int().min(1), versions: z.record(z.string(), z.string()) }),
  z.object({ type: z.literal("failed"), message: z.string() }),
]);
export type ModelServerLine = z.infer<typeof modelServerLine>;

/** `base`: the base model itself. `adapter`: PEFT's files, for the base model. `weights`: a model of its own. */
export const loadModel = z.object({
  id: z.string(),
  form: z.enum(["base", "adapter", "weights"]),
  /** null with `base`. */
  path: z.string().nullable(),
});
export type LoadModel = z.infer<typeof loadModel>;

/** `labels` of a classifier, in the order of its outputs. */
export const loadedModel = z.object({ id: z.string(), labels: z.array(z.string()).optional() });
export type LoadedModel = z.infer<typeof loadedModel>;
