import { defineRoute } from "../../../http/define-route";
import { readSession, sessionOf } from "../first-read";
import { idParams } from "../schema";
import { builtDataset } from "../training-schema";

export const buildSession = defineRoute({
  operationId: "vertesia.buildSession",
  method: "post",
  path: "/api/v1/training/{id}/build",
  summary: "Build Training Data",
  description:
    "Makes a dataset of the session's runs, a chat row of each: its prompt's segments, then its result. It becomes the " +
    "session's dataset, `default`.",
  tags: ["Training"],
  scope: "write",
  params: idParams,
  firstRead: readSession,
  answer: { description: "Where the data is.", schema: builtDataset },
  errors: ["invalid_request", "conflict"],
  handler: async (call) => {
    const { dataset, rows, skippedRuns } = await call.services.buildSession(call.principal, sessionOf(call));
    const { url } = await call.services.datasetDownload(dataset, call.origin);
    return { dataset: url, rows, skipped: skippedRuns };
  },
});
