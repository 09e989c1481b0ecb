import { defineRoute } from "../../../http/define-route";
import { keyedOf, readSession } from "../call";
import { fromResults } from "../map";
import { keyParam, results } from "../schema";

export const downloadResultsRoute = defineRoute({
  operationId: "trainingModule.downloadResults",
  method: "get",
  path: "/download_results/{key}",
  summary: "Download what the tests have shown",
  tags: ["Session"],
  scope: "read",
  params: keyParam,
  firstRead: readSession,
  answer: { description: "results.json: each test of the model while it was trained.", schema: results },
  errors: ["conflict"],
  handler: async (call) =>
    Response.json(fromResults(await call.services.moduleResults(keyedOf(call))), {
      headers: { "content-disposition": 'attachment; filename="results.json"' },
    }),
});
