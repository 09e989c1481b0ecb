import { defineRoute } from "../../../http/define-route";
import { fromEngine, toEngineRequest } from "../engine-map";
import { createEngine, engine } from "../engine-schema";

export const createEngineRoute = defineRoute({
  operationId: "anneal.createEngine",
  method: "post",
  path: "/anneal/v1/engines",
  summary: "Make an engine: agents that hold one base model, and the deployments on it",
  tags: ["Engines"],
  scope: "write",
  body: createEngine,
  answer: { status: 201, description: "On its way, unless its schedule says otherwise.", schema: engine },
  errors: ["not_found", "conflict"],
  handler: async ({ services, principal, body }) =>
    fromEngine(await services.createEngine(principal, toEngineRequest(body)), 0),
});
