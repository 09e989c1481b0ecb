import { defineRoute } from "../../../http/define-route";
import { readSession, sessionOf } from "../first-read";
import { idParams } from "../schema";
import { dataUrl } from "../training-schema";

export const getDataUrl = defineRoute({
  operationId: "vertesia.getDataUrl",
  method: "get",
  path: "/api/v1/training/{id}/url",
  summary: "Get Training Data URL",
  tags: ["Training"],
  scope: "read",
  params: idParams,
  firstRead: readSession,
  answer: {
    description: "Signed, without a key, good for an hour: the data that the session has now.",
    schema: dataUrl,
  },
  handler: async (call) => ({ url: await call.services.sessionDataUrl(sessionOf(call), call.origin) }),
});
