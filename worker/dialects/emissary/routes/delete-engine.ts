import { defineRoute } from "../../../http/define-route";
import { engineParams } from "../engine-schema";
import { engineOf, readEngine } from "../records";

export const deleteEngine = defineRoute({
  operationId: "emissary.deleteEngineById",
  method: "delete",
  path: "/v1/engines/{engine_id}",
  scope: "write",
  summary: "Delete Inference Engine",
  description: "With its deployments.",
  tags: ["Inference Engines"],
  params: engineParams,
  firstRead: readEngine,
  answer: { status: 204, description: "Inference Engine deleted successfully" },
  handler: async ({ first, services }) => {
    await services.deleteEngine(engineOf({ first }));
    return new Response(null, { status: 204 });
  },
});
