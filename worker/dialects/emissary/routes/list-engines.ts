import { defineRoute } from "../../../http/define-route";
import { engineList, engineQuery } from "../engine-schema";
import { listAnswer } from "../listing";
import { fromEngine } from "../map-engines";
import { PREFIX } from "../schema";

export const listEngines = defineRoute({
  operationId: "emissary.listEngines",
  method: "get",
  path: "/v1/engines",
  scope: "read",
  summary: "List Inference Engines",
  description: "The account's, made through whichever API.",
  tags: ["Inference Engines"],
  query: engineQuery,
  answer: { description: "Newest first.", schema: engineList },
  handler: async (call) => {
    const { base_model: baseModel, task_type: taskType, ...page } = call.query;
    const filter = { ...(baseModel === undefined ? {} : { baseModel }), ...(taskType ? { taskType } : {}) };
    const engines = await call.services.listEngines(call.principal, filter, page);
    const counts = await call.services.deploymentCounts(engines.items);
    const items = engines.items.map((engine) => fromEngine(engine, counts.get(engine.id) ?? 0));
    return listAnswer(call, engines, PREFIX.engine, items);
  },
});
