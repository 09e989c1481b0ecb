import { defineRoute } from "../../../http/define-route";
import { found, readById } from "../../../http/first-reads";
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
  answer: { description: "The run; populated: its parent too is a run, not an id.", schema: run },
  handler: async ({ services, principal, first, query }) => {
    const { projectId } = principal;
    const read = found(first.run?.projectId === projectId ? first.run : null, "run");
    const answer = fromRun(read);
    if (!query.populate || read.parentId === null) return answer;
    return { ...answer, parent: fromRun(await services.getRun(principal, read.parentId)) };
  },
});
