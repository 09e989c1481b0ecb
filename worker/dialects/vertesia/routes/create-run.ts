import { DomainError } from "../../../domain/errors";
import { defineRoute } from "../../../http/define-route";
import { createRunBody, run } from "../run-schema";

export const createRunRoute = defineRoute({
  operationId: "vertesia.createRun",
  method: "post",
  path: "/api/v1/runs",
  summary: "Run an interaction",
  description:
    "Not served yet: 501. It will run an ad-hoc prompt (`prompts`) on the environment's model and keep the run.",
  tags: ["Runs"],
  scope: "write",
  body: createRunBody,
  answer: { description: "The run.", schema: run },
  errors: ["not_implemented"],
  handler: () => {
    const why = "this deployment serves no inference; runs come from POST /api/v1/runs/import";
    return Promise.reject(new DomainError("not_implemented", why));
  },
});
