import { parseId } from "../../../domain/ids";
import { defineRoute } from "../../../http/define-route";
import { cloneRunBody, runDocRef } from "../run-schema";
import { projectId } from "../words";

export const cloneRunRoute = defineRoute({
  operationId: "vertesia.cloneRun",
  method: "post",
  path: "/api/v1/runs/clone",
  summary: "Clone a run",
  description: "A new run of the same interaction, prompt and configuration, in state `created` and without a result.",
  tags: ["Runs"],
  scope: "write",
  body: cloneRunBody,
  answer: { description: "The new run's ids.", schema: runDocRef },
  errors: ["not_found"],
  handler: async ({ services, principal, body }) => {
    const source = parseId("", body.source_run_id);
    const clone = await services.cloneRun(principal, source, body.workflow);
    return { id: clone.id, account: clone.accountId, project: projectId(clone.projectId) };
  },
});
