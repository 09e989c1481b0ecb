/** Why an agent gave no whole answer, and what that is to a client: an error, or an event in the stream that has begun. */
import type { RelayHead, RelayReset } from "../../protocol";
import { DomainError } from "../domain/errors";

export interface Failure {
  /** As in an error event. */
  code: string;
  message: string;
  /** Whether another agent may do better. */
  elsewhere: boolean;
  /** What a client is answered whose answer has not begun. */
  error: DomainError;
}

/** Of what an agent's model server says, for the client. */
const MAX_MESSAGE_CHARS = 2000;

function later(message: string): DomainError {
  return new DomainError("unavailable", message, { retryAfterSeconds: 1 });
}

function full(message: string): DomainError {
  return new DomainError("rate_limited", message, { retryAfterSeconds: 1 });
}

/** The agent's socket is gone. */
export function agentLost(): Failure {
  const message = "the agent that worked on this request is gone";
  return { code: "agent_lost", message, elsewhere: true, error: later(message) };
}

/** No agent has the model. */
export function nobodyReady(): DomainError {
  return later("no agent has this model ready at the moment");
}

export function tooManyStreams(): DomainError {
  return full("too many requests are open on this engine");
}

/** The stream was given up, by the agent or by us. */
export function ofReset({ code, message }: RelayReset): Failure {
  switch (code) {
    case "queue_full":
      return { code, message: "the model's queue is full", elsewhere: true, error: full("the model's queue is full") };
    case "not_loaded":
    case "draining":
      return { code, message: "the agent is ending", elsewhere: true, error: later("no agent has this model ready") };
    case "idle":
    case "too_long":
    case "no_credit":
      return { code, message, elsewhere: false, error: later(message) };
    default: {
      const told = "the model server broke off";
      return { code: "server_error", message: told, elsewhere: false, error: later(told) };
    }
  }
}

/** The model server has answered with an error. */
export function ofAnswer(head: RelayHead, body: Uint8Array): Failure {
  const { message, param } = errorIn(body);
  if (head.status === 429) return ofReset({ code: "queue_full", message });
  if (head.status === 404) return ofReset({ code: "not_loaded", message });
  if (head.status >= 500) {
    const told = "the model server failed in its work on this request";
    return { code: "server_error", message: told, elsewhere: false, error: new DomainError("internal", told) };
  }
  const code = head.status === 413 ? "payload_too_large" : "invalid_request";
  return {
    ...{ code, message, elsewhere: false },
    error: new DomainError(code, message, param === undefined ? {} : { field: param }),
  };
}

function errorIn(body: Uint8Array): { message: string; param?: string } {
  const unknown = { message: "the model server refused the request" };
  try {
    const { error } = JSON.parse(new TextDecoder().decode(body)) as { error?: { message?: unknown; param?: unknown } };
    if (typeof error?.message !== "string") return unknown;
    const message = error.message.slice(0, MAX_MESSAGE_CHARS);
    return typeof error.param === "string" ? { message, param: error.param } : { message };
  } catch {
    return unknown;
  }
}
