/** The Training Module's states: what follows from a session's tasks, what may be done in each, and what is next. */
import type { JobStatus } from "./job-status";
import type { ImportState, ModuleSession, ModuleState, ModuleTask } from "./module-sessions";

type Tasks = Pick<ModuleSession, "preprocess" | "train">;
type Outcome = "runs" | "completed" | "failed" | "stopped";

const OUTCOME: Readonly<Record<JobStatus, Outcome>> = {
  queued: "runs",
  provisioning: "runs",
  running: "runs",
  testing: "runs",
  paused: "runs",
  completed: "completed",
  failed: "failed",
  timed_out: "failed",
  cancelled: "stopped",
};

const TRAINING: Readonly<Record<Outcome, ModuleState>> = {
  runs: "training",
  completed: "trained",
  failed: "failed",
  stopped: "stopped",
};
const PREPROCESSING: Readonly<Record<Outcome, ModuleState>> = {
  runs: "preprocessing",
  completed: "preprocessed",
  failed: "failed",
  stopped: "stopped",
};
const IMPORT: Readonly<Record<Outcome, ImportState>> = {
  runs: "importing",
  completed: "imported",
  failed: "failed",
  stopped: "failed",
};

/** null: there is no active session. */
export function moduleState(session: Tasks | null): ModuleState {
  if (session === null) return "none";
  const { preprocess, train } = session;
  if (train) return TRAINING[OUTCOME[train.status]];
  if (preprocess) return PREPROCESSING[OUTCOME[preprocess.status]];
  return "setup";
}

export function importState(task: ModuleTask | null): ImportState {
  return task ? IMPORT[OUTCOME[task.status]] : "none";
}

export type ModuleAction = "configure" | "upload" | "preprocess" | "train" | "stop" | "download";

const ALLOWED: Readonly<Record<ModuleAction, readonly ModuleState[]>> = {
  configure: ["setup"],
  upload: ["setup"],
  preprocess: ["setup"],
  train: ["preprocessed"],
  stop: ["training"],
  download: ["trained"],
};

/** What failed or was stopped may be tried again. */
export function isAllowed(action: ModuleAction, session: Tasks): boolean {
  const state = moduleState(session);
  if (ALLOWED[action].includes(state)) return true;
  if (state !== "failed" && state !== "stopped") return false;
  return action === (isPreprocessed(session) ? "train" : "preprocess");
}

const DOES: Readonly<Record<ModuleAction, string>> = {
  configure: "parameters can be set only",
  upload: "datasets can be uploaded only",
  preprocess: "preprocessing can begin only",
  train: "training can begin only",
  stop: "training can be stopped only",
  download: "the model and its results are there only",
};

/** Why `action` is refused, what it is for, and what would be right. */
export function refusal(action: ModuleAction, session: Tasks): string {
  const states = ALLOWED[action].map((state) => `'${state}'`).join(", ");
  return `${DOES[action]} in state ${states}, and the state is '${moduleState(session)}'; ${nextStep(session)}`;
}

const NEXT: Readonly<Record<Exclude<ModuleState, "failed" | "stopped">, string>> = {
  none: "GET /start_session begins a session",
  setup: "next: POST /upload_dataset/{key}, POST /parameters/{key} and then POST /preprocess/{key}",
  preprocessing: "GET /preprocess_status tells when it has ended",
  preprocessed: "next: POST /training/start/{key}",
  training: "GET /monitor/{key} tells how far it is, POST /training/stop/{key} stops it",
  trained: "GET /download_model/{key} and GET /download_results/{key}; GET /start_session?force_restart=1 begins anew",
};

export function nextStep(session: Tasks | null): string {
  const state = moduleState(session);
  if (state !== "failed" && state !== "stopped") return NEXT[state];
  const again = session && isPreprocessed(session) ? "POST /training/start/{key}" : "POST /preprocess/{key}";
  return `${again} tries again, GET /start_session?force_restart=1 begins anew`;
}

const HAPPENED: Readonly<Record<ModuleState, string>> = {
  none: "there is no active session",
  setup: "the session is being set up",
  preprocessing: "preprocessing",
  preprocessed: "the data is preprocessed",
  training: "training",
  trained: "the model is trained",
  stopped: "stopped",
  failed: "failed",
};

/** What has become of the session, and what is next. */
export function stateMessage(session: Tasks | null): string {
  const state = moduleState(session);
  const why = state === "failed" ? ((session?.train ?? session?.preprocess)?.reasonMessage ?? null) : null;
  return `${HAPPENED[state]}${why === null ? "" : `: ${why}`}; ${nextStep(session)}`;
}

const IMPORT_HAPPENED: Readonly<Record<ImportState, string>> = {
  none: "no model was imported; POST /import_model/{key} imports one",
  importing: "the model is being imported",
  imported: "the model is imported: GET /get_imported_model/{key}",
  failed: "the import failed",
};

export function importMessage(task: ModuleTask | null): string {
  const why = task?.reasonMessage ?? null;
  const state = importState(task);
  return `${IMPORT_HAPPENED[state]}${state === "failed" && why !== null ? `: ${why}` : ""}`;
}

function isPreprocessed({ preprocess }: Tasks): boolean {
  return preprocess?.status === "completed";
}
