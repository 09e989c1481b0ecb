/** Anneal's own API: the whole domain. The dashboard and the CLI speak only this. */
import type { Dialect } from "../../http/dialect";
import { engineRoutes } from "./engine-routes";
import { errorSchema, renderError } from "./errors";
import { cancelJobRoute } from "./routes/cancel-job";
import { createAgentTokenRoute } from "./routes/create-agent-token";
import { createFunctionRoute } from "./routes/create-function";
import { createJobRoute } from "./routes/create-job";
import { createKeyRoute } from "./routes/create-key";
import { completeUploadRoute } from "./routes/complete-upload";
import { createProjectRoute } from "./routes/create-project";
import { createUploadRoute } from "./routes/create-upload";
import { deleteDatasetRoute } from "./routes/delete-dataset";
import { deleteFunctionRoute } from "./routes/delete-function";
import { deleteJobRoute } from "./routes/delete-job";
import { deleteProjectRoute } from "./routes/delete-project";
import { deleteUploadRoute } from "./routes/delete-upload";
import { downloadDatasetRoute } from "./routes/download-dataset";
import { getCheckpointRoute } from "./routes/get-checkpoint";
import { getDatasetRoute } from "./routes/get-dataset";
import { getFunctionRoute } from "./routes/get-function";
import { getJobRoute } from "./routes/get-job";
import { getMetricsRoute } from "./routes/get-metrics";
import { getModelRoute } from "./routes/get-model";
import { getUploadRoute } from "./routes/get-upload";
import { listAgentTokensRoute } from "./routes/list-agent-tokens";
import { listAgentsRoute } from "./routes/list-agents";
import { listCheckpointsRoute } from "./routes/list-checkpoints";
import { listDatasetsRoute } from "./routes/list-datasets";
import { listEventsRoute } from "./routes/list-events";
import { listFunctionsRoute } from "./routes/list-functions";
import { listJobsRoute } from "./routes/list-jobs";
import { listKeysRoute } from "./routes/list-keys";
import { listProjectsRoute } from "./routes/list-projects";
import { listUploadsRoute } from "./routes/list-uploads";
import { pauseJobRoute } from "./routes/pause-job";
import { resumeJobRoute } from "./routes/resume-job";
import { retryJobRoute } from "./routes/retry-job";
import { revokeAgentRoute } from "./routes/revoke-agent";
import { revokeKeyRoute } from "./routes/revoke-key";
import { sendUploadRoute } from "./routes/send-upload";
import { streamJobRoute } from "./routes/stream-job";
import { uploadDatasetRoute } from "./routes/upload-dataset";

export const annealDialect: Dialect = {
  name: "anneal",
  title: "Anneal",
  version: "1",
  description: "Anneal's own API: everything that there is, whichever API it was made through.",
  credential: "key",
  errorSchema,
  renderError,
  routes: [
    createProjectRoute,
    listProjectsRoute,
    deleteProjectRoute,
    createKeyRoute,
    listKeysRoute,
    revokeKeyRoute,
    uploadDatasetRoute,
    listDatasetsRoute,
    getDatasetRoute,
    downloadDatasetRoute,
    deleteDatasetRoute,
    createUploadRoute,
    listUploadsRoute,
    getUploadRoute,
    sendUploadRoute,
    completeUploadRoute,
    deleteUploadRoute,
    createFunctionRoute,
    listFunctionsRoute,
    getFunctionRoute,
    deleteFunctionRoute,
    createJobRoute,
    listJobsRoute,
    getJobRoute,
    cancelJobRoute,
    deleteJobRoute,
    pauseJobRoute,
    resumeJobRoute,
    retryJobRoute,
    listEventsRoute,
    getMetricsRoute,
    streamJobRoute,
    getModelRoute,
    listCheckpointsRoute,
    getCheckpointRoute,
    listAgentsRoute,
    revokeAgentRoute,
    createAgentTokenRoute,
    listAgentTokensRoute,
    ...engineRoutes,
  ],
};
