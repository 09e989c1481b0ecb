/**
 * What serves an engine's models on this machine, whichever program it is: the small server (small-server.ts) or vLLM
 * (vllm-server.ts). Its processes end with it.
 */
import type { Dispatcher } from "undici";
import type { Endpoint, LoadedModel, LoadModel } from "../../../protocol";
import type { Json } from "./json";

export interface ModelServer {
  readonly device: string;
  readonly versions: Record<string, string>;
  /** Requests that it works on at once, and those that may wait for it. */
  readonly maxActive: number;
  readonly maxQueue: number;
  /** Rejects with a ModelRefused when the model cannot be loaded, with another error when the server is gone. */
  load(model: LoadModel, signal: AbortSignal): Promise<LoadedModel>;
  unload(id: string, signal: AbortSignal): Promise<void>;
  /** A request to a model that is loaded; its body is OpenAI's, `model` being put in here. */
  ask(endpoint: Endpoint, id: string, body: Json, signal: AbortSignal): Promise<Dispatcher.ResponseData>;
  /** Whether it answers at all, however much it has to do. */
  isUp(signal: AbortSignal): Promise<boolean>;
  /** Resolves with what happened when it no longer serves. */
  readonly ended: Promise<string>;
  stop(graceMs: number): Promise<void>;
}

/** A model cannot be served, and why; the server itself goes on. */
export class ModelRefused extends Error {}

/** The server does not come up on this machine: a person has to look. */
export class ServerFailed extends Error {}

export const PATH_OF: Record<Endpoint, string> = {
  chat: "/v1/chat/completions",
  completions: "/v1/completions",
  embeddings: "/v1/embeddings",
  classification: "/v1/classification",
  regression: "/v1/regression",
};
