import { parseId } from "../../../domain/ids";
import { defineRoute } from "../../../http/define-route";
import { inSessionWords } from "../errors";
import { PREFIX } from "../schema";
import { fromSession } from "../training-map";
import { createSession as body, trainingSession } from "../training-schema";

export const createSession = defineRoute({
  operationId: "vertesia.createSession",
  method: "post",
  path: "/api/v1/training",
  summary: "Create a Training Session",
  tags: ["Training"],
  scope: "write",
  body,
  answer: { description: "The session, created.", schema: trainingSession },
  handler: async ({ body: { name, env, model }, principal, services }) => {
    const wanted = { name, environmentId: parseId(PREFIX.bare, env), model };
    const session = await inSessionWords(() => services.createSession(principal, wanted));
    return fromSession(session, services.sessionStatusOf(session), []);
  },
});
