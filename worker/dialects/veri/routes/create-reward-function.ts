import { z } from "@hono/zod-openapi";
import { functionFormat } from "../../../../protocol";
import { invalid } from "../../../domain/errors";
import { MAX_SOURCE_BYTES } from "../../../domain/reward-source";
import { MAX_UPLOAD_BYTES } from "../../../http/body-limit";
import { defineRoute } from "../../../http/define-route";
import { wholeFile, withUploadForm } from "../../../http/multipart";
import { fromFunction } from "../map";
import { rewardFunction } from "../schema";

/** Testing functions are made through the native API. */
const rewardFormat = functionFormat.exclude(["test"]);
const LIMITS = { fields: ["name", "format"], fileField: "file", maxBytes: MAX_UPLOAD_BYTES };

export const createRewardFunction = defineRoute({
  operationId: "veri.createRewardFunction",
  method: "post",
  path: "/v1/reward_functions",
  scope: "write",
  summary: "Upload a reward function",
  description: "A Python file that defines `def reward(` (format trl) or `async def reward(` (format miles).",
  tags: ["reward_functions"],
  form: z.object({
    name: z.string(),
    format: rewardFormat.default("trl"),
    file: z.string().openapi({ format: "binary" }),
  }),
  answer: { description: "The reward function.", schema: rewardFunction },
  handler: ({ request, principal, services }) =>
    withUploadForm(request, LIMITS, async (form) => {
      const source = await wholeFile(form, MAX_SOURCE_BYTES);
      const format = rewardFormat.safeParse(form.optional("format") ?? "trl");
      if (!format.success) throw invalid("format", `must be one of ${rewardFormat.options.join(", ")}`);
      const fn = await services.createFunction(principal, {
        name: form.required("name"),
        format: format.data,
        source,
      });
      return fromFunction(fn);
    }),
});
