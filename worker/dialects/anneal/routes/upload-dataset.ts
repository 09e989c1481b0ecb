import { z } from "@hono/zod-openapi";
import { invalid } from "../../../domain/errors";
import { parseId } from "../../../domain/ids";
import { MAX_UPLOAD_BYTES } from "../../../http/body-limit";
import { defineRoute } from "../../../http/define-route";
import { readJson } from "../../../http/json-body";
import { withUploadForm } from "../../../http/multipart";
import { withRawUpload } from "../../../http/raw-upload";
import { fromDataset } from "../map";
import { dataset, datasetFromUpload, PREFIX, uploadDatasetQuery } from "../schema";

const maxBytes = MAX_UPLOAD_BYTES;

export const uploadDatasetRoute = defineRoute({
  operationId: "anneal.uploadDataset",
  method: "post",
  path: "/anneal/v1/datasets",
  summary: "Upload JSON Lines or CSV",
  description:
    "A form with `name` (before the file) and `file`, or the bytes as the body with `?name=`, or JSON with the `upload_id` " +
    "of a completed upload and a `name`. The first row decides the format; a wrong line is named, and then nothing is made.",
  tags: ["Datasets"],
  scope: "write",
  query: uploadDatasetQuery,
  form: z.object({ name: z.string(), file: z.string().openapi({ format: "binary" }) }),
  answer: { status: 201, description: "Kept as it came.", schema: dataset },
  errors: ["not_found", "conflict"],
  handler: async ({ services, principal, query, request }) => {
    if (isOf(request, "multipart/")) {
      const limits = { fields: ["name"], fileField: "file", maxBytes };
      return withUploadForm(request, limits, async (form) => {
        const name = query.name ?? form.required("name");
        const { chunks, fileName } = form;
        return fromDataset(await services.uploadDataset(principal, { name, chunks, maxBytes, fileName }));
      });
    }
    const { name, file_name: fileName } = query;
    if (name === undefined && isOf(request, "application/json")) {
      const body = await readJson(request, datasetFromUpload);
      const uploadId = parseId(PREFIX.upload, body.upload_id);
      return fromDataset(await services.datasetFromUpload(principal, { uploadId, name: body.name }));
    }
    if (name === undefined) throw invalid("name", "is required: as ?name=, or as a field of a form");
    return withRawUpload(request, maxBytes, async (chunks) =>
      fromDataset(await services.uploadDataset(principal, { name, chunks, maxBytes, fileName })),
    );
  },
});

function isOf(request: Request, contentType: string): boolean {
  return (request.headers.get("content-type") ?? "").toLowerCase().startsWith(contentType);
}
