/** A request to a deployment that the path names already: `model` in the body is then only what the answer says again. */
import type { ServedModel } from "../domain/engines";
import { DomainError } from "../domain/errors";
import type { InferenceRequest } from "../domain/inference";
import type { Endpoint } from "../../protocol";
import type { Bodies } from "./openai-requests";
import { toInference, toStoredCall } from "./to-inference";

/** Of the endpoints that answer in text; the others refuse `store`. */
type Stored = Pick<Partial<Bodies["chat"]>, "store" | "metadata">;

export type NamedBody<E extends Endpoint> = Bodies[E] & { model?: string | null | undefined } & Stored;

export function inferenceRequest<E extends Endpoint>(
  endpoint: E,
  served: ServedModel,
  sent: NamedBody<E>,
): InferenceRequest {
  const { name, state } = served.deployment;
  if (state === "terminated") {
    throw new DomainError("invalid_request", `the deployment '${name}' was stopped: make another`);
  }
  const request = toInference(endpoint, sent);
  return { ...request, model: sent.model ?? name, store: toStoredCall(sent, name) };
}
