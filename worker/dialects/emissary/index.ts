/** The Emissary dialect (docs/dialects/emissary.md). */
import type { Dialect } from "../../http/dialect";
import { emissaryError, renderEmissaryError } from "./errors";
import { cancelTrainingJob } from "./routes/cancel-training-job";
import { createDataset } from "./routes/create-dataset";
import { createDeployment } from "./routes/create-deployment";
import { createEngine } from "./routes/create-engine";
import { createGrpoTrainingJob } from "./routes/create-grpo-training-job";
import { createProject } from "./routes/create-project";
import { createTrainingJob } from "./routes/create-training-job";
import { deactivateEngine } from "./routes/deactivate-engine";
import { deleteDataset } from "./routes/delete-dataset";
import { deleteDeployment } from "./routes/delete-deployment";
import { deleteEngine } from "./routes/delete-engine";
import { deleteProject } from "./routes/delete-project";
import { deleteTrainingJob } from "./routes/delete-training-job";
import { deployOnEngine } from "./routes/deploy-on-engine";
import { getChatCompletions } from "./routes/get-chat-completions";
import { getClassification } from "./routes/get-classification";
import { getCompletions } from "./routes/get-completions";
import { getEmbeddings } from "./routes/get-embeddings";
import { getRegression } from "./routes/get-regression";
import { listBaseModels } from "./routes/list-base-models";
import { listCheckpoints } from "./routes/list-checkpoints";
import { listDatasets } from "./routes/list-datasets";
import { listDeployments } from "./routes/list-deployments";
import { listEngines } from "./routes/list-engines";
import { listProjects } from "./routes/list-projects";
import { listTestFunctions } from "./routes/list-test-functions";
import { listTrainingJobs } from "./routes/list-training-jobs";
import { reactivateDeployment } from "./routes/reactivate-deployment";
import { reactivateEngine } from "./routes/reactivate-engine";
import { retrieveBaseModel } from "./routes/retrieve-base-model";
import { retrieveDataset } from "./routes/retrieve-dataset";
import { retrieveDeployment } from "./routes/retrieve-deployment";
import { retrieveEngine } from "./routes/retrieve-engine";
import { retrieveProject } from "./routes/retrieve-project";
import { retrieveTrainingJob } from "./routes/retrieve-training-job";
import { undeployFromEngine } from "./routes/undeploy-from-engine";

export const emissaryDialect: Dialect = {
  name: "emissary",
  title: "Emissary API",
  version: "0.1.0",
  description:
    "Base models, projects, datasets, training jobs, engines, deployments and inference, as Emissary's clients speak them.",
  credential: "key",
  errorSchema: emissaryError,
  renderError: renderEmissaryError,
  routes: [
    listBaseModels,
    retrieveBaseModel,
    createProject,
    listProjects,
    retrieveProject,
    deleteProject,
    createDataset,
    listDatasets,
    retrieveDataset,
    deleteDataset,
    createTrainingJob,
    createGrpoTrainingJob,
    listTrainingJobs,
    retrieveTrainingJob,
    deleteTrainingJob,
    cancelTrainingJob,
    listCheckpoints,
    listTestFunctions,
    createEngine,
    listEngines,
    retrieveEngine,
    deleteEngine,
    deployOnEngine,
    undeployFromEngine,
    reactivateEngine,
    deactivateEngine,
    createDeployment,
    listDeployments,
    retrieveDeployment,
    deleteDeployment,
    reactivateDeployment,
    getCompletions,
    getChatCompletions,
    getEmbeddings,
    getClassification,
    getRegression,
  ],
};
