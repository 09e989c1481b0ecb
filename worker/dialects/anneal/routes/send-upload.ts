import { defineRoute } from "../../../http/define-route";
import { readUpload, uploadOf } from "../first-read";
import { fromUpload } from "../map";
import { idParam, upload } from "../schema";

export const sendUploadRoute = defineRoute({
  operationId: "anneal.sendUpload",
  method: "put",
  path: "/anneal/v1/uploads/{id}",
  summary: "Send bytes of the file",
  description:
    "The body is a piece of any size. `Content-Range: bytes <first>-<last>/<total>` says which (`<last>` and `<total>` may " +
    "be `*`); without it the body is the file from its first byte on. Bytes that have come before are passed over, so a " +
    "piece may be sent again; one that leaves a gap is a 409 that says the next byte, in `Upload-Offset` too. " +
    "`Content-Range: bytes */<total>` with no body only asks.",
  tags: ["Uploads"],
  scope: "write",
  params: idParam,
  bytes: true,
  firstRead: readUpload,
  answer: { description: "Everything up to `offset` is kept.", schema: upload },
  errors: ["invalid_request", "conflict", "payload_too_large"],
  handler: async (call) => {
    const { headers, body } = call.request;
    const length = headers.get("content-length");
    const contentLength = length === null ? null : Number(length);
    const sent = { contentRange: headers.get("content-range"), contentLength, body };
    return fromUpload(await call.services.receiveUpload(uploadOf(call), sent), call.origin);
  },
});
