/** The Training Module dialect (docs/dialects/training-module.md). Its paths are at the root: they are listed one by one. */
import type { Dialect } from "../../http/dialect";
import { moduleError, renderModuleError } from "./errors";
import { downloadModelRoute } from "./routes/download-model";
import { downloadResultsRoute } from "./routes/download-results";
import { getImportStatusRoute } from "./routes/get-import-status";
import { getImportedModelRoute } from "./routes/get-imported-model";
import { getParametersRoute } from "./routes/get-parameters";
import { getPreprocessStatusRoute } from "./routes/get-preprocess-status";
import { getStatusRoute } from "./routes/get-status";
import { healthcheckRoute } from "./routes/healthcheck";
import { importModelRoute } from "./routes/import-model";
import { modelReadyRoute } from "./routes/model-ready";
import { monitorRoute } from "./routes/monitor";
import { preprocessRoute } from "./routes/preprocess";
import { setParametersRoute } from "./routes/set-parameters";
import { startSessionRoute } from "./routes/start-session";
import { startTrainingRoute } from "./routes/start-training";
import { stopTrainingRoute } from "./routes/stop-training";
import { uploadDatasetRoute } from "./routes/upload-dataset";

export const trainingModuleDialect: Dialect = {
  name: "training-module",
  title: "Training Module API",
  version: "1.0.0",
  description: "One session of an account, with a key: upload, preprocess, train, download.",
  credential: "key",
  openToLoopback: true,
  errorSchema: moduleError,
  renderError: renderModuleError,
  validationStatus: 422,
  routes: [
    startSessionRoute,
    setParametersRoute,
    getParametersRoute,
    uploadDatasetRoute,
    preprocessRoute,
    getPreprocessStatusRoute,
    startTrainingRoute,
    stopTrainingRoute,
    getStatusRoute,
    monitorRoute,
    modelReadyRoute,
    downloadModelRoute,
    downloadResultsRoute,
    importModelRoute,
    getImportStatusRoute,
    getImportedModelRoute,
    healthcheckRoute,
  ],
};
