/**
 * A request for a model, at the edge: one hop to its engine's object, and its answer back. An object may end in the middle
 * of an answer (a deploy, an eviction); the client of a stream is told so by an event, where it would see a cut line.
 */
import { ENDPOINTS_OF, type Endpoint, MAX_RELAY_BODY_BYTES } from "../../protocol";
import type { Principal } from "../domain/accounts";
import type { ServedModel } from "../domain/engines";
import { DomainError, invalid, loggable } from "../domain/errors";
import { errorEvent, WholeEvents } from "../domain/event-stream";
import type { InferenceRequest, RelayCall } from "../domain/inference";
import type { Clock, EngineDoors, Ids } from "../domain/ports";

export interface InferPorts {
  engineDoors: EngineDoors;
  ids: Ids;
  clock: Clock;
}

/** Waits for a model that has to come up first. A streamed answer is SSE, else JSON. Errors are DomainErrors. */
export async function infer(
  ports: InferPorts,
  principal: Principal,
  served: ServedModel,
  request: InferenceRequest,
): Promise<Response> {
  const call = toCall(ports, principal, served, request);
  try {
    const response = await ports.engineDoors.of(served.engine.id).serve(call);
    return request.stream ? guarded(response) : await whole(response);
  } catch (error) {
    if (error instanceof DomainError) throw error;
    console.error("an engine's object ended before its answer", served.engine.id, loggable(error));
    throw new DomainError("unavailable", "the request was interrupted; it may be sent again", { retryAfterSeconds: 1 });
  }
}

function toCall(
  { ids, clock }: InferPorts,
  principal: Principal,
  served: ServedModel,
  request: InferenceRequest,
): RelayCall {
  const { accountId, projectId, keyId } = principal;
  const { endpoint, stream, model, store } = request;
  const answers: readonly Endpoint[] = ENDPOINTS_OF[served.deployment.taskType];
  if (!answers.includes(endpoint)) {
    throw invalid("model", `a model for ${served.deployment.taskType} answers ${answers.join(" and ")} alone`);
  }
  const body = new TextEncoder().encode(JSON.stringify(request.body));
  if (body.byteLength > MAX_RELAY_BODY_BYTES) {
    throw new DomainError("payload_too_large", `a request has at most ${String(MAX_RELAY_BODY_BYTES)} bytes`);
  }
  const created = Math.floor(clock.nowMs() / 1000);
  return {
    open: {
      ...{ deployment_id: served.deployment.id, endpoint, stream, wants_output: store !== null },
      answer: { id: request.idPrefix + ids.next(), model, created },
    },
    ...{ body, served, store, principal: { accountId, projectId, keyId } },
  };
}

/** The object has all of it before it begins, so what is left to wait for is the way here. */
async function whole(response: Response): Promise<Response> {
  return new Response(await response.arrayBuffer(), { status: response.status, headers: response.headers });
}

function guarded(response: Response): Response {
  if (response.body === null) return response;
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const events = new WholeEvents();
  let hasLeft = false;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        // A pull is over only when it has given something.
        for (;;) {
          const { done, value } = await reader.read();
          const bytes = done ? events.rest() : events.take(value);
          if (bytes.byteLength > 0) controller.enqueue(bytes);
          if (done) controller.close();
          if (done || bytes.byteLength > 0) return;
        }
      } catch (error) {
        if (hasLeft) return;
        console.error("an engine's object ended in the middle of an answer", loggable(error));
        controller.enqueue(errorEvent("interrupted", "the answer was interrupted; the request may be sent again"));
        controller.close();
      }
    },
    cancel(reason) {
      hasLeft = true;
      return reader.cancel(reason);
    },
  });
  return new Response(body, { status: response.status, headers: response.headers });
}
