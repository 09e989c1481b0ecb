/** The Veri dialect (docs/dialects/veri.md). */
import type { Dialect } from "../../http/dialect";
import { renderVeriError, veriError } from "./errors";
import { cancelTrainingJob } from "./routes/cancel-training-job";
import { createApiKey } from "./routes/create-api-key";
import { createChatCompletion } from "./routes/create-chat-completion";
import { createDataset } from "./routes/create-dataset";
import { createDeployment } from "./routes/create-deployment";
import { createRewardFunction } from "./routes/create-reward-function";
import { createTrainingJob } from "./routes/create-training-job";
import { deleteApiKey } from "./routes/delete-api-key";
import { getDataset } from "./routes/get-dataset";
import { getDeployment } from "./routes/get-deployment";
import { getDeploymentMetrics } from "./routes/get-deployment-metrics";
import { getModel } from "./routes/get-model";
import { getRewardFunction } from "./routes/get-reward-function";
import { getTrainingJob } from "./routes/get-training-job";
import { heartbeatTrainingJob } from "./routes/heartbeat-training-job";
import { listApiKeys } from "./routes/list-api-keys";
import { listDatasets } from "./routes/list-datasets";
import { listDeploymentRequests } from "./routes/list-deployment-requests";
import { listDeployments } from "./routes/list-deployments";
import { listEvents } from "./routes/list-events";
import { listMetrics } from "./routes/list-metrics";
import { listRewardFunctions } from "./routes/list-reward-functions";
import { listTrainingJobs } from "./routes/list-training-jobs";
import { stopDeployment } from "./routes/stop-deployment";
import { streamLogs } from "./routes/stream-logs";

export const veriDialect: Dialect = {
  name: "veri",
  title: "Veri API",
  version: "1",
  description:
    "Training jobs, datasets, reward functions, deployments and API keys, as Veri Studio's clients speak them.",
  credential: "key",
  errorSchema: veriError,
  renderError: renderVeriError,
  routes: [
    createDataset,
    listDatasets,
    getDataset,
    createRewardFunction,
    listRewardFunctions,
    getRewardFunction,
    createTrainingJob,
    listTrainingJobs,
    getTrainingJob,
    cancelTrainingJob,
    heartbeatTrainingJob,
    listEvents,
    listMetrics,
    streamLogs,
    getModel,
    createDeployment,
    listDeployments,
    getDeployment,
    stopDeployment,
    createChatCompletion,
    listDeploymentRequests,
    getDeploymentMetrics,
    createApiKey,
    listApiKeys,
    deleteApiKey,
  ],
};
