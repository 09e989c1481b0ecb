import { defineRoute } from "../../../http/define-route";
import { readSession, sessionOf } from "../first-read";
import { idParams } from "../schema";
import { addRuns, ok } from "../training-schema";

/** Some 250,000 ids. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;

export const addSessionRuns = defineRoute({
  operationId: "vertesia.addToSession",
  method: "post",
  path: "/api/v1/training/{id}/add",
  summary: "Add Runs to a Training Session",
  description:
    "All of them or, with one that is not a run of the project, none. A run that it has already stays where it is.",
  tags: ["Training"],
  scope: "write",
  params: idParams,
  firstRead: readSession,
  body: addRuns,
  maxBodyBytes: MAX_BODY_BYTES,
  answer: { description: "Added.", schema: ok },
  errors: ["conflict"],
  handler: async (call) => {
    await call.services.addSessionRuns(call.principal, sessionOf(call), call.body.runs);
    return { ok: true as const };
  },
});
