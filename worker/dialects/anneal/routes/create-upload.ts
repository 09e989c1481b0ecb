import { defineRoute } from "../../../http/define-route";
import { fromUpload } from "../map";
import { createUpload, upload } from "../schema";

export const createUploadRoute = defineRoute({
  operationId: "anneal.createUpload",
  method: "post",
  path: "/anneal/v1/uploads",
  summary: "Begin an upload in pieces",
  description: "For files over the limit of one request, and for lines that break. It lives for 7 days.",
  tags: ["Uploads"],
  scope: "write",
  body: createUpload,
  answer: { status: 201, description: "Open; send bytes to `upload_url`.", schema: upload },
  errors: ["rate_limited"],
  handler: async ({ services, principal, body, origin }) => {
    const made = await services.createUpload(principal, {
      filename: body.filename,
      purpose: body.purpose,
      sizeBytes: body.size_bytes ?? null,
      sha256: body.sha256 ?? null,
      contentType: body.content_type ?? null,
    });
    return fromUpload({ upload: made, progress: { offset: 0, sizeBytes: made.sizeBytes } }, origin);
  },
});
