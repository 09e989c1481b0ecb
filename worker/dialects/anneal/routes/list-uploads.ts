import { defineRoute } from "../../../http/define-route";
import { fromPage, fromUploadSummary } from "../map";
import { listOf, listQuery, PREFIX, uploadSummary } from "../schema";

export const listUploadsRoute = defineRoute({
  operationId: "anneal.listUploads",
  method: "get",
  path: "/anneal/v1/uploads",
  summary: "List the account's uploads",
  tags: ["Uploads"],
  scope: "read",
  query: listQuery(PREFIX.upload),
  answer: { description: "Newest first; how far an open one is, it says itself.", schema: listOf(uploadSummary) },
  handler: async ({ services, principal, query }) =>
    fromPage(await services.listUploads(principal, query), fromUploadSummary),
});
