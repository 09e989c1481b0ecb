import { defineRoute } from "../../../http/define-route";
import { fromLogEntry } from "../engine-map";
import { inferenceRequestEntry, requestsQuery } from "../engine-schema";
import { readDeployment, servedOf } from "../first-read";
import { fromPage } from "../map";
import { idParam, listOf } from "../schema";

export const listRequestsRoute = defineRoute({
  operationId: "anneal.listRequests",
  method: "get",
  path: "/anneal/v1/deployments/{id}/requests",
  summary: "List the requests that a deployment has answered or refused",
  tags: ["Deployments"],
  scope: "read",
  params: idParam,
  query: requestsQuery,
  firstRead: readDeployment,
  answer: { description: "Newest first; an engine keeps its last 10,000.", schema: listOf(inferenceRequestEntry) },
  handler: async (call) => fromPage(await call.services.deploymentRequests(servedOf(call), call.query), fromLogEntry),
});
