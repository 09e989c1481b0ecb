/** The Emissary dialect (docs/dialects/emissary.md). */
import type { Dialect } from "../../http/dialect";
import { emissaryError, renderEmissaryError } from "./errors";
import { cancelTrainingJob } from "./routes/cancel-training-job";
import { createDataset } from "./routes/create-dataset";
import { createGrpoTrainingJob } from "./routes/create-grpo-training-job";
import { createProject } from "./routes/create-project";
import { createTrainingJob } from "./routes/create-training-job";
import { deleteDataset } from "./routes/delete-dataset";
import { deleteProject } from "./routes/delete-project";
import { deleteTrainingJob } from "./routes/delete-training-job";
import { listBaseModels } from "./routes/list-base-models";
import { listCheckpoints } from "./routes/list-checkpoints";
import { listDatasets } from "./routes/list-datasets";
import { listProjects } from "./routes/list-projects";
import { listTestFunctions } from "./routes/list-test-functions";
import { listTrainingJobs } from "./routes/list-training-jobs";
import { retrieveBaseModel } from "./routes/retrieve-base-model";
import { retrieveDataset } from "./routes/retrieve-dataset";
import { retrieveProject } from "./routes/retrieve-project";
import { retrieveTrainingJob } from "./routes/retrieve-training-job";

export const emissaryDialect: Dialect = {
  name: "emissary",
  title: "Emissary API",
  version: "0.1.0",
  description: "Base models, projects, datasets and training jobs, as Emissary's clients speak them.",
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
  ],
};
