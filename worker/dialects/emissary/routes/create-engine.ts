import { defineRoute } from "../../../http/define-route";
import { engineBase } from "../base";
import { createEngine as body, engine } from "../engine-schema";
import { inEngineWords } from "../errors";
import { fromEngine, MANAGEMENT_WORDS, toManagement } from "../map-engines";

export const createEngine = defineRoute({
  operationId: "emissary.createEngine",
  method: "post",
  path: "/v1/engines",
  scope: "write",
  summary: "Create Inference Engine",
  description: "It starts at once, but for one outside the hours of its schedule.",
  tags: ["Inference Engines"],
  body,
  answer: { status: 201, description: "The engine, Creating.", schema: engine },
  handler: async ({ body: { name, base_model, task_type, resource_management_config }, principal, services }) => {
    const request = {
      ...engineBase(base_model, "base_model"),
      ...(typeof name === "string" ? { name } : {}),
      ...(task_type ? { taskType: task_type } : {}),
      ...(resource_management_config ? { management: toManagement(resource_management_config) } : {}),
    };
    return fromEngine(await inEngineWords(() => services.createEngine(principal, request), MANAGEMENT_WORDS), 0);
  },
});
