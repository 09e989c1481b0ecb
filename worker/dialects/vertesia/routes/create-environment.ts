import { defineRoute } from "../../../http/define-route";
import { fromEnvironment, toFields } from "../environment-map";
import { createEnvironment as body, environment } from "../environment-schema";

export const createEnvironment = defineRoute({
  operationId: "vertesia.createEnvironment",
  method: "post",
  path: "/api/v1/environments",
  summary: "Create an environment",
  tags: ["Environments"],
  scope: "write",
  body,
  answer: { description: "The environment.", schema: environment },
  handler: async ({ body: { name, provider, ...rest }, principal, services }) =>
    fromEnvironment(await services.createEnvironment(principal, { ...toFields(rest), name, provider })),
});
