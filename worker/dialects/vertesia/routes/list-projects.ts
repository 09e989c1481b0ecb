import { defineRoute } from "../../../http/define-route";
import { fromProjectRef } from "../project-map";
import { projectListQuery, projectRefs } from "../project-schema";

/** The whole list, as the contract has it, to a bound that no account reaches. */
const MAX_PROJECTS = 1000;

export const listProjects = defineRoute({
  operationId: "vertesia.listProjects",
  method: "get",
  path: "/api/v1/projects",
  summary: "List projects",
  tags: ["Projects"],
  scope: "read",
  query: projectListQuery,
  answer: { description: "The account's, newest first.", schema: projectRefs },
  handler: async ({ query: { account }, principal, services }) => {
    if (account && !account.includes(principal.accountId)) return [];
    return (await services.listProjects(principal, { limit: MAX_PROJECTS })).items.map(fromProjectRef);
  },
});
