import { defineRoute } from "../../../http/define-route";
import { MAX_UPLOAD_BYTES } from "../../../http/body-limit";
import { withFilesForm } from "../../../http/multipart";
import { keyedOf, readSession } from "../call";
import { fromView } from "../map";
import { keyParam, moduleStatus, uploadForm } from "../schema";

const LIMITS = { fileFields: ["train_file", "test_file"], maxBytes: MAX_UPLOAD_BYTES };

export const uploadDatasetRoute = defineRoute({
  operationId: "trainingModule.uploadDataset",
  method: "post",
  path: "/upload_dataset/{key}",
  summary: "Upload the data to train and to test on",
  description:
    "JSON Lines or CSV, in state setup. A wrong line is named, and then nothing is kept. Again: the last ones count.",
  tags: ["Session"],
  scope: "write",
  params: keyParam,
  form: uploadForm,
  firstRead: readSession,
  answer: { description: "Both are kept as they came.", schema: moduleStatus },
  errors: ["conflict"],
  handler: (call) =>
    withFilesForm(call.request, LIMITS, async (files) =>
      fromView(await call.services.uploadModuleData(keyedOf(call), files, MAX_UPLOAD_BYTES)),
    ),
});
