import { defineRoute } from "../../../http/define-route";
import { parseId } from "../../../domain/ids";
import { MAX_UPLOAD_BYTES } from "../../../http/body-limit";
import { readJson } from "../../../http/json-body";
import { withFilesForm } from "../../../http/multipart";
import { keyedOf, readSession } from "../call";
import { fromView } from "../map";
import { keyParam, moduleStatus, uploadedFiles, uploadForm } from "../schema";

const LIMITS = { fileFields: ["train_file", "test_file"], maxBytes: MAX_UPLOAD_BYTES };

export const uploadDatasetRoute = defineRoute({
  operationId: "trainingModule.uploadDataset",
  method: "post",
  path: "/upload_dataset/{key}",
  summary: "Upload the data to train and to test on",
  description:
    "JSON Lines or CSV, in state setup. A wrong line is named, and then nothing is kept. Again: the last ones count. " +
    "In place of the form JSON with `train_upload_id` and `test_upload_id`, completed uploads in pieces.",
  tags: ["Session"],
  scope: "write",
  params: keyParam,
  form: uploadForm,
  firstRead: readSession,
  answer: { description: "Both are kept as they came.", schema: moduleStatus },
  errors: ["conflict"],
  handler: async (call) => {
    if (/^application\/json\b/i.test(call.request.headers.get("content-type") ?? "")) {
      const sent = await readJson(call.request, uploadedFiles);
      const uploads = { train: parseId("up_", sent.train_upload_id), test: parseId("up_", sent.test_upload_id) };
      return fromView(await call.services.moduleDataFromUploads(keyedOf(call), uploads));
    }
    return withFilesForm(call.request, LIMITS, async (files) =>
      fromView(await call.services.uploadModuleData(keyedOf(call), files, MAX_UPLOAD_BYTES)),
    );
  },
});
