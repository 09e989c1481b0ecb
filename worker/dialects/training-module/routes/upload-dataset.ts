import { defineRoute } from "../../../http/define-route";
import { parseId } from "../../../domain/ids";
import { MAX_UPLOAD_BYTES } from "../../../http/body-limit";
import { readJson } from "../../../http/json-body";
import { withFilesForm, type FormFile } from "../../../http/multipart";
import { keyedOf, readSession } from "../call";
import { fromView } from "../map";
import { keyParam, moduleStatus, uploadedFiles, uploadForm } from "../schema";

const LIMITS = {
  fileFields: ["train_file", "test_file"],
  uploadFields: Object.keys(uploadedFiles.shape),
  maxBytes: MAX_UPLOAD_BYTES,
};

async function* noFiles(): AsyncGenerator<FormFile, void, undefined> {}

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
  formOrJson: uploadedFiles,
  firstRead: readSession,
  answer: { description: "Both are kept as they came.", schema: moduleStatus },
  errors: ["conflict"],
  handler: async (call) => {
    const contentType = call.request.headers.get("content-type") ?? "";
    if (/^application\/json\b/i.test(contentType)) {
      const sent = await readJson(call.request, uploadedFiles);
      const uploads = { train: parseId("up_", sent.train_upload_id), test: parseId("up_", sent.test_upload_id) };
      return fromView(await call.services.moduleDataFromUploads(keyedOf(call), uploads));
    }
    const upload = async (files: AsyncIterable<FormFile>) =>
      fromView(await call.services.uploadModuleData(keyedOf(call), files, MAX_UPLOAD_BYTES));
    // As FastAPI sees it, another body is a form without any file.
    if (!/^multipart\/form-data\b/i.test(contentType)) return upload(noFiles());
    return withFilesForm(call.request, LIMITS, upload);
  },
});
