import { z } from "@hono/zod-openapi";
import { MAX_UPLOAD_BYTES } from "../../../http/body-limit";
import { defineRoute } from "../../../http/define-route";
import { withUploadForm } from "../../../http/multipart";
import { fromDataset } from "../map";
import { dataset } from "../schema";

export const createDataset = defineRoute({
  operationId: "veri.createDataset",
  method: "post",
  path: "/v1/datasets",
  scope: "write",
  summary: "Upload a dataset",
  description: "A JSONL file, one object a line. Its format is decided from the first row; the others must match.",
  tags: ["datasets"],
  form: z.object({ name: z.string(), file: z.string().openapi({ format: "binary" }) }),
  answer: { description: "The dataset.", schema: dataset },
  handler: ({ request, principal, services }) =>
    withUploadForm(request, { fields: ["name"], fileField: "file", maxBytes: MAX_UPLOAD_BYTES }, async (form) => {
      const upload = {
        get name() {
          return form.required("name");
        },
        chunks: form.chunks,
        maxBytes: MAX_UPLOAD_BYTES,
      };
      return fromDataset(await services.uploadDataset(principal, upload));
    }),
});
