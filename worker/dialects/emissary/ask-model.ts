/** A request for a model: which one is meant, and the answer as the engine gives it. */
import type { Endpoint } from "../../../protocol";
import type { Principal } from "../../domain/accounts";
import { DomainError } from "../../domain/errors";
import { parseId } from "../../domain/ids";
import type { FirstRead, FirstReadResult } from "../../domain/ports";
import type { Bodies } from "../../http/openai-requests";
import { toInference, toStoredCall } from "../../http/to-inference";
import type { Services } from "../../services/services";
import { PREFIX } from "./schema";

interface ModelCall {
  services: Services;
  principal: Principal;
  first: FirstReadResult;
}

/** More than any name has: the database takes no parameter of megabytes. */
const MAX_MODEL_CHARS = 300;

/** Read together with the key, from a body that is not validated yet. */
export function readModel({ model }: Record<string, unknown>): FirstRead {
  if (typeof model !== "string" || model.length > MAX_MODEL_CHARS) return { kind: "none" };
  return { kind: "served", name: model, id: parseId(PREFIX.deployment, model) };
}

const MAX_SHOWN_CHARS = 100;

/** `stored` is where the body may ask for the call to be kept as a run. */
export async function askModel<E extends Endpoint>(
  { services, principal, first }: ModelCall,
  endpoint: E,
  { model, body, stored }: { model: string; body: Bodies[E]; stored?: Pick<Bodies["chat"], "store" | "metadata"> },
): Promise<Response> {
  const request = toInference(endpoint, body);
  const served = first.served ?? (await services.serverlessModel(principal, model));
  if (served === null) {
    const message = `there is no deployment '${model.slice(0, MAX_SHOWN_CHARS)}', and no base model of that name to call`;
    throw new DomainError("not_found", message, { field: "model" });
  }
  const store = stored ? toStoredCall(stored, served.deployment.name) : null;
  return services.infer(principal, served, { ...request, model, store });
}
