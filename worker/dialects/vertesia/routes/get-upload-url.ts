import { z } from "@hono/zod-openapi";
import { defineRoute } from "../../../http/define-route";
import { readSession, sessionOf } from "../first-read";
import { idParams, queryFlag } from "../schema";

export const getUploadUrlRoute = defineRoute({
  operationId: "vertesia.getDataUploadUrl",
  method: "get",
  path: "/api/v1/training/{id}/upload-url",
  summary: "Get Training Data Upload URL",
  description:
    "A signed URL, good for an hour, that takes a file by one PUT. With `resumable=true` it takes one file in pieces, for " +
    "seven days once it has begun, by the resumable upload protocol of Google Cloud Storage: POST answers with the URL " +
    "itself as `Location`, PUT takes a chunk with its `Content-Range`. What has been sent whole becomes the session's " +
    "dataset.",
  tags: ["Training"],
  scope: "write",
  params: idParams,
  query: z.object({ resumable: queryFlag }),
  firstRead: readSession,
  answer: { description: "Where to send the file.", schema: z.object({ url: z.string() }) },
  handler: async (call) => ({
    url: await call.services.sessionUploadUrl(sessionOf(call), call.query.resumable ?? false, call.origin),
  }),
});
