import { defineRoute } from "../../../http/define-route";
import { found, readById } from "../../../http/first-reads";
import { idParams, model } from "../schema";

export const getModel = defineRoute({
  operationId: "veri.getModel",
  method: "get",
  path: "/v1/training_jobs/{id}/model",
  scope: "read",
  summary: "Signed URLs of a completed job's model",
  tags: ["training_jobs"],
  params: idParams,
  firstRead: readById("job", "job_"),
  answer: { description: "The archive's URL, and those of the files in it.", schema: model },
  handler: async ({ first, services, origin }) => {
    const download = await services.modelDownload(found(first.job, "training job"), origin);
    return { download_url: download.archiveUrl, files: download.files.map(({ path, url }) => ({ path, url })) };
  },
});
