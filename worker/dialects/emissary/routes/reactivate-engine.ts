import { defineRoute } from "../../../http/define-route";
import { engineParams } from "../engine-schema";
import { inEngineWords } from "../errors";
import { engineOf, readEngine } from "../records";

export const reactivateEngine = defineRoute({
  operationId: "emissary.reactivateEngineById",
  method: "post",
  path: "/v1/engines/{engine_id}/reactivate",
  scope: "write",
  summary: "Reactivate Inference Engine",
  description: "Refused (400) when it is active, or on its way.",
  tags: ["Inference Engines"],
  params: engineParams,
  firstRead: readEngine,
  answer: { status: 204, description: "Inference Engine reactivated successfully" },
  handler: async ({ first, services }) => {
    await inEngineWords(() => services.reactivateEngine(engineOf({ first })));
    return new Response(null, { status: 204 });
  },
});
