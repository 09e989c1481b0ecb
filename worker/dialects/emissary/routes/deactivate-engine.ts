import { defineRoute } from "../../../http/define-route";
import { engineParams } from "../engine-schema";
import { inEngineWords } from "../errors";
import { engineOf, readEngine } from "../records";

export const deactivateEngine = defineRoute({
  operationId: "emissary.deactivateEngineById",
  method: "post",
  path: "/v1/engines/{engine_id}/deactivate",
  scope: "write",
  summary: "Deactivate Inference Engine",
  description: "Refused (400) when it is inactive.",
  tags: ["Inference Engines"],
  params: engineParams,
  firstRead: readEngine,
  answer: { status: 204, description: "Inference Engine deactivated successfully" },
  handler: async ({ first, services }) => {
    await inEngineWords(() => services.deactivateEngine(engineOf({ first })));
    return new Response(null, { status: 204 });
  },
});
