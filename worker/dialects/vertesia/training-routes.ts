/** The routes of training sessions: `names` and `job` before the one with an id. */
import type { Route } from "../../http/define-route";
import { addSessionRuns } from "./routes/add-session-runs";
import { buildSession } from "./routes/build-session";
import { cancelTraining } from "./routes/cancel-training";
import { createSession } from "./routes/create-session";
import { getDataUrl } from "./routes/get-data-url";
import { getSession } from "./routes/get-session";
import { getTrainingJob } from "./routes/get-training-job";
import { getUploadUrlRoute } from "./routes/get-upload-url";
import { listSessionNames } from "./routes/list-session-names";
import { listSessionRuns } from "./routes/list-session-runs";
import { listSessions } from "./routes/list-sessions";
import { setDataset } from "./routes/set-dataset";
import { startTraining } from "./routes/start-training";

export const trainingRoutes: Route[] = [
  listSessions,
  createSession,
  listSessionNames,
  getTrainingJob,
  getSession,
  addSessionRuns,
  listSessionRuns,
  buildSession,
  getDataUrl,
  getUploadUrlRoute,
  setDataset,
  startTraining,
  cancelTraining,
];
