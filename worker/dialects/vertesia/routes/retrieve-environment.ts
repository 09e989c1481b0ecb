import { defineRoute } from "../../../http/define-route";
import { fromEnvironment } from "../environment-map";
import { environment } from "../environment-schema";
import { environmentOf, readEnvironment } from "../first-read";
import { idParams } from "../schema";

export const retrieveEnvironment = defineRoute({
  operationId: "vertesia.retrieveEnvironment",
  method: "get",
  path: "/api/v1/environments/{id}",
  summary: "Retrieve an environment",
  tags: ["Environments"],
  scope: "read",
  params: idParams,
  firstRead: readEnvironment,
  answer: { description: "The environment.", schema: environment },
  handler: (call) => Promise.resolve(fromEnvironment(environmentOf(call))),
});
