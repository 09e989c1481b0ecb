import { defineRoute } from "../../../http/define-route";
import { datasetOf, readDataset } from "../first-read";
import { deleted, idParam } from "../schema";

export const deleteDatasetRoute = defineRoute({
  operationId: "anneal.deleteDataset",
  method: "delete",
  path: "/anneal/v1/datasets/{id}",
  summary: "Delete a dataset and its bytes",
  tags: ["Datasets"],
  scope: "write",
  params: idParam,
  firstRead: readDataset,
  answer: { description: "Gone. One that a job needs which has not ended is a 409.", schema: deleted },
  errors: ["conflict"],
  handler: async (call) => {
    await call.services.deleteDataset(datasetOf(call));
    return { id: call.params.id, deleted: true as const };
  },
});
