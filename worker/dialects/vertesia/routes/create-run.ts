import { MAX_INFERENCE_BYTES } from "../../../http/openai-requests";
import { defineRoute } from "../../../http/define-route";
import { inWords } from "../errors";
import { fromExecutedRun, toInteraction } from "../run-map";
import { createRunBody, executedRun } from "../run-schema";

/** Fields of the domain's that are called otherwise here. */
const WORDS: Readonly<Record<string, string>> = {
  env: "config.environment",
  model: "config.model",
  messages: "prompts",
};

export const createRunRoute = defineRoute({
  operationId: "vertesia.createRun",
  method: "post",
  path: "/api/v1/runs",
  summary: "Run an ad-hoc prompt on the environment's model, and keep the run",
  description:
    "The model must be served: a deployment, or a catalogue model that answers by its name. Waits for one that has to come " +
    "up first, then 503 with `Retry-After`, and no run is kept.",
  tags: ["Runs"],
  scope: "write",
  body: createRunBody,
  maxBodyBytes: MAX_INFERENCE_BYTES,
  answer: { description: "The run, completed.", schema: executedRun },
  errors: ["rate_limited", "unavailable"],
  handler: async ({ services, principal, body }) =>
    fromExecutedRun(
      await inWords(
        (field) => WORDS[field] ?? field,
        () => services.runInteraction(principal, toInteraction(body)),
      ),
    ),
});
