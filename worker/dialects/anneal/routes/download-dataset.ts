import { defineRoute } from "../../../http/define-route";
import { datasetOf, readDataset } from "../first-read";
import { time } from "../map";
import { download, idParam } from "../schema";

export const downloadDatasetRoute = defineRoute({
  operationId: "anneal.downloadDataset",
  method: "get",
  path: "/anneal/v1/datasets/{id}/download",
  summary: "Get a signed URL of the bytes as they came",
  tags: ["Datasets"],
  scope: "read",
  params: idParam,
  firstRead: readDataset,
  answer: { description: "Where the bytes are.", schema: download },
  handler: async (call) => {
    const { sizeBytes, sha256, ...dataset } = datasetOf(call);
    const signed = await call.services.datasetDownload({ ...dataset, sizeBytes, sha256 }, call.origin);
    return { url: signed.url, size_bytes: sizeBytes, sha256, expires_at: time(signed.expiresAtMs) };
  },
});
