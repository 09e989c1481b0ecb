import { defineRoute } from "../../../http/define-route";
import { found, readById } from "../../../http/first-reads";
import { fromEnvironment } from "../environment-map";
import { fromRun } from "../run-map";
import { retrieveRunQuery, run, runIdParam } from "../run-schema";

export const retrieveRunRoute = defineRoute({
  operationId: "vertesia.retrieveRun",
  method: "get",
  path: "/api/v1/runs/{id}",
  summary: "Retrieve a run",
  tags: ["Runs"],
  scope: "read",
  params: runIdParam,
  query: retrieveRunQuery,
  firstRead: readById("run", ""),
  answer: {
    description: "The run; populated: its parent is a whole run too, and its environment a whole environment.",
    schema: run,
  },
  handler: async ({ services, principal, first, query }) => {
    const { projectId } = principal;
    const read = found(first.run?.projectId === projectId ? first.run : null, "run");
    const answer = fromRun(read);
    if (!query.populate) return answer;
    const { parent, environment } = await services.runReferences(principal, read);
    return {
      ...answer,
      ...(parent === null ? {} : { parent: fromRun(parent) }),
      ...(environment === null ? {} : { environment: fromEnvironment(environment) }),
    };
  },
});
