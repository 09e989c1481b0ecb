/** A request for a model, as the services have it: dialects map to it, and its answer back. */
import type { Endpoint, RelayDone, RelayOpen, Usage } from "../../protocol";
import type { Principal } from "./accounts";
import type { ServedModel } from "./engines";

export interface InferenceRequest {
  endpoint: Endpoint;
  /** OpenAI's body without `model`: what the model server gets. */
  body: Record<string, unknown>;
  stream: boolean;
  /** The `model` of the answer, as the client wrote it. */
  model: string;
  /** `chatcmpl-`, `cmpl-` and so on, before a fresh id. */
  idPrefix: string;
  /** Kept as a run of the caller's project when it has ended. */
  store: StoredCall | null;
}

export interface StoredCall {
  /** What the run is called. */
  interaction: string;
  environmentId: string | null;
  tags: string[];
}

/** What an engine's object is asked to do. */
export interface RelayCall {
  open: Omit<RelayOpen, "idle_ms" | "total_ms">;
  /** JSON. */
  body: Uint8Array;
  principal: Pick<Principal, "accountId" | "projectId" | "keyId">;
  served: ServedModel;
  store: StoredCall | null;
}

/** What came of a request whose answer had begun. */
export interface RelayOutcome {
  /** What the agent said at the end; null when it never came to that. */
  done: RelayDone | null;
  /** 200, or 499: the client left before the end. */
  status: number;
  /** Why it broke off. */
  error: string | null;
  /** Of the first byte of the answer itself. */
  firstByteAtMs: number | null;
}

/** One request in an engine's log. */
export interface InferenceLogEntry {
  id: string;
  deploymentId: string;
  endpoint: Endpoint;
  stream: boolean;
  /** As the client was answered; 499 when it left before the end. */
  status: number;
  /** Why it failed. */
  error: string | null;
  usage: Usage | null;
  /** Until the first byte of the answer; null: there was none. */
  firstByteMs: number | null;
  durationMs: number;
  atMs: number;
}

/** Over a deployment's whole life, but for the percentiles, which are of the requests that are still in the log. */
export interface InferenceMetrics {
  requests: number;
  failed: number;
  promptTokens: number;
  completionTokens: number;
  p50FirstByteMs: number | null;
  p95FirstByteMs: number | null;
  p50DurationMs: number | null;
  p95DurationMs: number | null;
  openStreams: number;
}
