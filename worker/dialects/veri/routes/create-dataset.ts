import { z } from "@hono/zod-openapi";
import { parseId } from "../../../domain/ids";
import { MAX_UPLOAD_BYTES } from "../../../http/body-limit";
import { defineRoute } from "../../../http/define-route";
import { readJson } from "../../../http/json-body";
import { withUploadForm } from "../../../http/multipart";
import { fromDataset } from "../map";
import { dataset, datasetFromUpload } from "../schema";

export const createDataset = defineRoute({
  operationId: "veri.createDataset",
  method: "post",
  path: "/v1/datasets",
  scope: "write",
  summary: "Upload a dataset",
  description:
    "A JSONL file, one object a line, or a CSV. Its format is decided from the first row; the others must match. A file over the " +
    "limit of one request is sent in pieces (`/anneal/v1/uploads`), and then JSON with its `upload_id` comes here.",
  tags: ["datasets"],
  form: z.object({ name: z.string(), file: z.string().openapi({ format: "binary" }) }),
  answer: { description: "The dataset.", schema: dataset },
  errors: ["not_found", "conflict"],
  handler: async ({ request, principal, services }) => {
    if ((request.headers.get("content-type") ?? "").toLowerCase().startsWith("application/json")) {
      const { upload_id, name } = await readJson(request, datasetFromUpload);
      const uploadId = parseId("up_", upload_id);
      return fromDataset(await services.datasetFromUpload(principal, { uploadId, name }));
    }
    return withUploadForm(
      request,
      { fields: ["name"], fileField: "file", maxBytes: MAX_UPLOAD_BYTES },
      async (form) => {
        const upload = {
          get name() {
            return form.required("name");
          },
          chunks: form.chunks,
          fileName: form.fileName,
          maxBytes: MAX_UPLOAD_BYTES,
        };
        return fromDataset(await services.uploadDataset(principal, upload));
      },
    );
  },
});
