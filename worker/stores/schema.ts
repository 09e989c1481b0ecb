/**
 * D1's tables. Ids are bare ULIDs, times are milliseconds since 1970, JSON columns hold what docs/storage.md says.
 * All rows of an account are in the account's shard. Indexes are keyset ones; nothing counts or skips rows.
 */
import { sql } from "drizzle-orm";
import { index, integer, primaryKey, real, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";
import type {
  BaseModelRef,
  CheckpointKind,
  DatasetFormat,
  FailureReason,
  FunctionFormat,
  GpuRequest,
  JobSpec,
  Method,
  RegisterRequest,
  ServeTask,
  TaskKind,
} from "../../protocol";
import type { Scope } from "../domain/accounts";
import type { RowsProfile } from "../domain/artifacts";
import type { EnvironmentModel } from "../domain/environments";
import type { DeploymentOrigin, DeploymentState, EngineManagement, EngineStatus } from "../domain/engines";
import type { EventType } from "../domain/job";
import type { JobStatus } from "../domain/job-state";
import type { ModuleConfig } from "../domain/module-sessions";
import type { RunBody, RunStatus } from "../domain/runs";
import type { UploadPurpose, UploadState } from "../domain/uploads";

export const accounts = sqliteTable("accounts", {
  id: text().primaryKey(),
  name: text().notNull(),
  createdAtMs: integer("created_at_ms").notNull(),
});

export const projects = sqliteTable(
  "projects",
  {
    id: text().primaryKey(),
    accountId: text("account_id").notNull(),
    name: text().notNull(),
    createdAtMs: integer("created_at_ms").notNull(),
    deletedAtMs: integer("deleted_at_ms"),
    description: text(),
    /** What the Vertesia dialect keeps with a project; `anneal` in it are defaults for its jobs. */
    configuration: text({ mode: "json" }).$type<Record<string, unknown>>(),
    updatedAtMs: integer("updated_at_ms"),
    /** null: made of the name. */
    namespace: text(),
    /** null: made with its account. */
    createdBy: text("created_by"),
    updatedBy: text("updated_by"),
  },
  (t) => [
    index("projects_by_account").on(t.accountId, t.id),
    index("projects_deleted")
      .on(t.deletedAtMs)
      .where(sql`deleted_at_ms IS NOT NULL`),
  ],
);

export const apiKeys = sqliteTable(
  "api_keys",
  {
    id: text().primaryKey(),
    accountId: text("account_id").notNull(),
    projectId: text("project_id").notNull(),
    name: text().notNull(),
    prefix: text().notNull(),
    sha256: text().notNull(),
    scopes: text({ mode: "json" }).$type<Scope[]>().notNull(),
    createdAtMs: integer("created_at_ms").notNull(),
    lastUsedAtMs: integer("last_used_at_ms"),
    revokedAtMs: integer("revoked_at_ms"),
  },
  (t) => [uniqueIndex("api_keys_by_sha256").on(t.sha256), index("api_keys_by_account").on(t.accountId, t.id)],
);

export const datasets = sqliteTable(
  "datasets",
  {
    id: text().primaryKey(),
    accountId: text("account_id").notNull(),
    projectId: text("project_id").notNull(),
    name: text().notNull(),
    sourceType: text("source_type").$type<"upload">().notNull(),
    format: text().$type<DatasetFormat>().notNull(),
    columns: text({ mode: "json" }).$type<string[]>().notNull(),
    numRows: integer("num_rows").notNull(),
    sizeBytes: integer("size_bytes").notNull(),
    sha256: text().notNull(),
    r2Key: text("r2_key").notNull(),
    createdAtMs: integer("created_at_ms").notNull(),
    fileName: text("file_name"),
    profile: text({ mode: "json" }).$type<RowsProfile>(),
    /** Nobody sees it any more; the sweep drops its bytes, and then its row. */
    deletedAtMs: integer("deleted_at_ms"),
  },
  (t) => [
    index("datasets_by_account").on(t.accountId, t.id),
    index("datasets_by_project").on(t.accountId, t.projectId, t.id),
    index("datasets_by_name").on(t.accountId, t.projectId, t.name, t.id),
    index("datasets_deleted")
      .on(t.deletedAtMs)
      .where(sql`deleted_at_ms IS NOT NULL`),
  ],
);

/** Upload sessions: what they are for and how they ended; their progress is in their own objects. */
export const uploads = sqliteTable(
  "uploads",
  {
    id: text().primaryKey(),
    accountId: text("account_id").notNull(),
    projectId: text("project_id").notNull(),
    purpose: text().$type<UploadPurpose>().notNull(),
    filename: text().notNull(),
    contentType: text("content_type"),
    sizeBytes: integer("size_bytes"),
    sha256: text(),
    state: text().$type<UploadState>().notNull(),
    r2Key: text("r2_key").notNull(),
    createdAtMs: integer("created_at_ms").notNull(),
    expiresAtMs: integer("expires_at_ms").notNull(),
  },
  (t) => [
    index("uploads_by_account").on(t.accountId, t.id),
    index("uploads_open")
      .on(t.accountId)
      .where(sql`state = 'open'`),
    index("uploads_expiring")
      .on(t.expiresAtMs)
      .where(sql`state IN ('open', 'completed')`),
  ],
);

export const functions = sqliteTable(
  "functions",
  {
    id: text().primaryKey(),
    accountId: text("account_id").notNull(),
    projectId: text("project_id").notNull(),
    name: text().notNull(),
    format: text().$type<FunctionFormat>().notNull(),
    sizeBytes: integer("size_bytes").notNull(),
    sha256: text().notNull(),
    r2Key: text("r2_key").notNull(),
    createdAtMs: integer("created_at_ms").notNull(),
    deletedAtMs: integer("deleted_at_ms"),
  },
  (t) => [
    index("functions_by_account").on(t.accountId, t.id),
    // Testing functions are called by their name.
    uniqueIndex("functions_by_test_name")
      .on(t.accountId, t.name)
      .where(sql`format = 'test' AND deleted_at_ms IS NULL`),
    index("functions_deleted")
      .on(t.deletedAtMs)
      .where(sql`deleted_at_ms IS NOT NULL`),
  ],
);

export const jobs = sqliteTable(
  "jobs",
  {
    id: text().primaryKey(),
    accountId: text("account_id").notNull(),
    projectId: text("project_id").notNull(),
    method: text().$type<Method>().notNull(),
    status: text().$type<JobStatus>().notNull(),
    reason: text().$type<FailureReason>(),
    reasonMessage: text("reason_message"),
    logTail: text("log_tail", { mode: "json" }).$type<string[]>().notNull(),
    baseModel: text("base_model").notNull(),
    baseModelRef: text("base_model_ref", { mode: "json" }).$type<BaseModelRef>().notNull(),
    datasetId: text("dataset_id").notNull(),
    outputName: text("output_name").notNull(),
    spec: text({ mode: "json" }).$type<JobSpec>().notNull(),
    specKey: text("spec_key"),
    specSha256: text("spec_sha256"),
    provider: text(),
    gpuType: text("gpu_type"),
    gpuCount: integer("gpu_count"),
    version: integer().notNull(),
    lastTid: text("last_tid"),
    lostInARow: integer("lost_in_a_row").notNull(),
    finalCheckpointId: text("final_checkpoint_id"),
    pauseRequestedAtMs: integer("pause_requested_at_ms"),
    heldMs: integer("held_ms").notNull().default(0),
    heldSinceMs: integer("held_since_ms"),
    retryOf: text("retry_of"),
    startJobId: text("start_job_id"),
    createdAtMs: integer("created_at_ms").notNull(),
    updatedAtMs: integer("updated_at_ms").notNull(),
    startedAtMs: integer("started_at_ms"),
    completedAtMs: integer("completed_at_ms"),
    tickedAtMs: integer("ticked_at_ms").notNull(),
    seenAtMs: integer("seen_at_ms"),
    /** Percent of the work done when it last changed its status. */
    progress: integer().notNull().default(0),
    /** Nobody sees it any more; the sweep drops its checkpoints, and then its rows. */
    deletedAtMs: integer("deleted_at_ms"),
  },
  (t) => [
    index("jobs_by_name").on(t.accountId, t.projectId, t.outputName, t.id),
    index("jobs_by_dataset").on(t.datasetId),
    index("jobs_deleted")
      .on(t.deletedAtMs)
      .where(sql`deleted_at_ms IS NOT NULL`),
    index("jobs_by_account").on(t.accountId, t.id),
    index("jobs_by_account_status").on(t.accountId, t.status, t.id),
    index("jobs_by_account_method").on(t.accountId, t.method, t.id),
    index("jobs_by_project").on(t.accountId, t.projectId, t.id),
    index("jobs_queued")
      .on(t.tickedAtMs)
      .where(sql`status = 'queued'`),
    index("jobs_live")
      .on(t.seenAtMs)
      .where(sql`status IN ('provisioning', 'running', 'testing')`),
  ],
);

export const tasks = sqliteTable(
  "tasks",
  {
    id: text().primaryKey(),
    kind: text().$type<TaskKind>().notNull(),
    jobId: text("job_id").notNull(),
    accountId: text("account_id").notNull(),
    /** Mirrors the job's status, so that a claim reads this table alone. */
    state: text().$type<"queued" | "leased" | "held" | "ended">().notNull(),
    epoch: integer().notNull(),
    attempt: integer().notNull(),
    agentId: text("agent_id"),
    gpuType: text("gpu_type").notNull(),
    gpuCount: integer("gpu_count").notNull(),
    /** The provider asked for; null is any. */
    provider: text(),
    /** Of a serve task: the memory that its models are thought to need; null: it needs a slot of its own. */
    serveBytes: integer("serve_bytes"),
  },
  (t) => [
    index("tasks_queued_by_account")
      .on(t.accountId, t.id)
      .where(sql`state = 'queued'`),
    index("tasks_queued")
      .on(t.id)
      .where(sql`state = 'queued'`),
    index("tasks_leased_by_agent")
      .on(t.agentId)
      .where(sql`state = 'leased'`),
  ],
);

export const jobEvents = sqliteTable(
  "job_events",
  {
    jobId: text("job_id").notNull(),
    version: integer().notNull(),
    seq: integer().notNull(),
    tid: text().notNull(),
    type: text().$type<EventType>().notNull(),
    metadata: text({ mode: "json" }).$type<Record<string, unknown>>().notNull(),
    atMs: integer("at_ms").notNull(),
  },
  (t) => [primaryKey({ columns: [t.jobId, t.version, t.seq] }), uniqueIndex("job_events_by_tid").on(t.tid, t.seq)],
);

export const checkpoints = sqliteTable(
  "checkpoints",
  {
    id: text().primaryKey(),
    jobId: text("job_id").notNull(),
    accountId: text("account_id").notNull(),
    attempt: integer().notNull(),
    kind: text().$type<CheckpointKind>().notNull(),
    step: integer().notNull(),
    epoch: real().notNull(),
    ordinal: integer(),
    manifestKey: text("manifest_key").notNull(),
    manifestSha256: text("manifest_sha256").notNull(),
    modelSha256: text("model_sha256"),
    modelKey: text("model_key"),
    modelSizeBytes: integer("model_size_bytes"),
    sizeBytes: integer("size_bytes").notNull(),
    state: text().$type<"committed" | "bad" | "deleted">().notNull(),
    createdAtMs: integer("created_at_ms").notNull(),
    verifyAfterMs: integer("verify_after_ms"),
    results: text({ mode: "json" }).$type<Record<string, number>>(),
  },
  (t) => [
    index("checkpoints_unverified")
      .on(t.verifyAfterMs)
      .where(sql`verify_after_ms IS NOT NULL`),
    index("checkpoints_by_job").on(t.jobId, t.id),
    index("checkpoints_by_kind").on(t.jobId, t.kind, t.step),
    uniqueIndex("checkpoints_by_ordinal").on(t.jobId, t.ordinal),
  ],
);

/** What a begin has opened and no commit has made count yet. */
export const begunCheckpoints = sqliteTable(
  "begun_checkpoints",
  {
    checkpointId: text("checkpoint_id").primaryKey(),
    jobId: text("job_id").notNull(),
    prefix: text().notNull(),
    begunAtMs: integer("begun_at_ms").notNull(),
  },
  (t) => [index("begun_checkpoints_by_time").on(t.begunAtMs)],
);

export const idempotencyKeys = sqliteTable(
  "idempotency_keys",
  {
    accountId: text("account_id").notNull(),
    route: text().notNull(),
    key: text().notNull(),
    requestSha256: text("request_sha256").notNull(),
    resourceId: text("resource_id").notNull(),
    createdAtMs: integer("created_at_ms").notNull(),
  },
  (t) => [primaryKey({ columns: [t.accountId, t.route, t.key] })],
);

export const bootstrapTokens = sqliteTable(
  "bootstrap_tokens",
  {
    id: text().primaryKey(),
    accountId: text("account_id"),
    sha256: text().notNull(),
    reusable: integer({ mode: "boolean" }).notNull(),
    nonce: text(),
    agentId: text("agent_id"),
    createdAtMs: integer("created_at_ms").notNull(),
    expiresAtMs: integer("expires_at_ms").notNull(),
  },
  (t) => [
    uniqueIndex("bootstrap_tokens_by_sha256").on(t.sha256),
    index("bootstrap_tokens_by_account").on(t.accountId, t.id),
  ],
);

export const agents = sqliteTable(
  "agents",
  {
    id: text().primaryKey(),
    accountId: text("account_id"),
    tokenId: text("token_id").notNull(),
    nonce: text().notNull(),
    name: text().notNull(),
    info: text({ mode: "json" }).$type<RegisterRequest>().notNull(),
    createdAtMs: integer("created_at_ms").notNull(),
    revokedAtMs: integer("revoked_at_ms"),
  },
  (t) => [uniqueIndex("agents_by_token").on(t.tokenId, t.nonce), index("agents_by_account").on(t.accountId, t.id)],
);

/** One row for each free slot of an agent that waits for work: written when that changes, read by the direct wake. */
export const idleAgents = sqliteTable(
  "idle_agents",
  {
    agentId: text("agent_id").notNull(),
    slotId: text("slot_id").notNull(),
    accountId: text("account_id"),
    gpuType: text("gpu_type"),
    gpuCount: integer("gpu_count").notNull(),
    sinceMs: integer("since_ms").notNull(),
    /** Of a slot for serve tasks: the memory that is left there; null: a slot for one task of another kind. */
    serveBytes: integer("serve_bytes"),
  },
  (t) => [primaryKey({ columns: [t.agentId, t.slotId] }), index("idle_agents_by_account").on(t.accountId, t.sinceMs)],
);

/** Keys that sign our JWTs: the newest live one signs, all that are not dropped verify (docs/security.md). */
export const signingKeys = sqliteTable("signing_keys", {
  kid: text().primaryKey(),
  publicJwk: text("public_jwk", { mode: "json" }).$type<Record<string, string>>().notNull(),
  /** AES-GCM (stores/secret-box.ts). */
  privateSealed: text("private_sealed").notNull(),
  createdAtMs: integer("created_at_ms").notNull(),
});

export const environments = sqliteTable(
  "environments",
  {
    id: text().primaryKey(),
    accountId: text("account_id").notNull(),
    name: text().notNull(),
    provider: text().notNull(),
    description: text(),
    endpointUrl: text("endpoint_url"),
    defaultModel: text("default_model"),
    enabledModels: text("enabled_models", { mode: "json" }).$type<EnvironmentModel[]>().notNull(),
    apiKeySealed: text("api_key_sealed"),
    apiKeyHint: text("api_key_hint"),
    config: text({ mode: "json" }).$type<Record<string, unknown>>().notNull(),
    settings: text({ mode: "json" }).$type<Record<string, unknown>>(),
    allowedProjects: text("allowed_projects", { mode: "json" }).$type<string[]>().notNull(),
    createdBy: text("created_by").notNull(),
    updatedBy: text("updated_by").notNull(),
    createdAtMs: integer("created_at_ms").notNull(),
    updatedAtMs: integer("updated_at_ms").notNull(),
  },
  (t) => [index("environments_by_account").on(t.accountId, t.id)],
);

/** `body` is the last column: lists never read the pages that it overflows into. */
export const runs = sqliteTable(
  "runs",
  {
    id: text().primaryKey(),
    accountId: text("account_id").notNull(),
    projectId: text("project_id").notNull(),
    interaction: text().notNull(),
    status: text().$type<RunStatus>().notNull(),
    environmentId: text("environment_id"),
    model: text(),
    tags: text({ mode: "json" }).$type<string[]>().notNull(),
    parentId: text("parent_id"),
    hasResult: integer("has_result", { mode: "boolean" }).notNull(),
    tokenUse: text("token_use", { mode: "json" }).$type<Record<string, number>>(),
    executionTimeMs: real("execution_time_ms"),
    finishReason: text("finish_reason"),
    createdBy: text("created_by").notNull(),
    createdAtMs: integer("created_at_ms").notNull(),
    updatedAtMs: integer("updated_at_ms").notNull(),
    bodyBytes: integer("body_bytes").notNull(),
    body: text({ mode: "json" }).$type<RunBody>().notNull(),
  },
  (t) => [
    index("runs_by_project").on(t.accountId, t.projectId, t.id),
    index("runs_by_interaction").on(t.accountId, t.projectId, t.interaction, t.id),
    index("runs_by_model").on(t.accountId, t.projectId, t.model, t.id),
    index("runs_by_environment").on(t.accountId, t.projectId, t.environmentId, t.id),
    index("runs_by_parent").on(t.accountId, t.projectId, t.parentId, t.id),
  ],
);

/**
 * An import of runs that goes on: what there is of it has ids from the first to the last. `seen_at_ms` is when it last kept
 * a batch; 0 when it was given up and is being taken away.
 */
export const runImports = sqliteTable(
  "run_imports",
  {
    firstRunId: text("first_run_id").primaryKey(),
    lastRunId: text("last_run_id").notNull(),
    accountId: text("account_id").notNull(),
    projectId: text("project_id").notNull(),
    seenAtMs: integer("seen_at_ms").notNull(),
  },
  (t) => [
    index("run_imports_by_project").on(t.accountId, t.projectId, t.firstRunId, t.lastRunId),
    index("run_imports_by_seen").on(t.seenAtMs),
  ],
);

export const runTags = sqliteTable(
  "run_tags",
  { projectId: text("project_id").notNull(), tag: text().notNull(), runId: text("run_id").notNull() },
  (t) => [primaryKey({ columns: [t.projectId, t.tag, t.runId] })],
);

export const trainingSessions = sqliteTable(
  "training_sessions",
  {
    id: text().primaryKey(),
    accountId: text("account_id").notNull(),
    projectId: text("project_id").notNull(),
    name: text().notNull(),
    environmentId: text("environment_id").notNull(),
    model: text().notNull(),
    builtDatasetId: text("built_dataset_id"),
    datasetId: text("dataset_id"),
    buildingSinceMs: integer("building_since_ms"),
    builtRows: integer("built_rows"),
    skippedRuns: integer("skipped_runs"),
    jobId: text("job_id"),
    createdBy: text("created_by").notNull(),
    updatedBy: text("updated_by").notNull(),
    createdAtMs: integer("created_at_ms").notNull(),
    updatedAtMs: integer("updated_at_ms").notNull(),
  },
  (t) => [
    index("training_sessions_by_project").on(t.accountId, t.projectId, t.id),
    index("training_sessions_by_job").on(t.jobId),
  ],
);

/** The runs that a session has picked, in the order of their `n`. */
export const trainingSessionRuns = sqliteTable(
  "training_session_runs",
  { sessionId: text("session_id").notNull(), runId: text("run_id").notNull(), n: integer().notNull() },
  (t) => [
    primaryKey({ columns: [t.sessionId, t.runId] }),
    index("training_session_runs_in_order").on(t.sessionId, t.n),
  ],
);

export const moduleSessions = sqliteTable(
  "module_sessions",
  {
    id: text().primaryKey(),
    accountId: text("account_id").notNull(),
    projectId: text("project_id").notNull(),
    config: text({ mode: "json" }).$type<ModuleConfig>().notNull(),
    trainDatasetId: text("train_dataset_id"),
    testDatasetId: text("test_dataset_id"),
    preprocessJobId: text("preprocess_job_id"),
    trainJobId: text("train_job_id"),
    importJobId: text("import_job_id"),
    importedModel: text("imported_model"),
    version: integer().notNull(),
    createdAtMs: integer("created_at_ms").notNull(),
    endedAtMs: integer("ended_at_ms"),
  },
  (t) => [
    // The guard of `start_session`: two that come at once cannot both be in.
    uniqueIndex("module_sessions_active")
      .on(t.accountId)
      .where(sql`ended_at_ms IS NULL`),
  ],
);

export const engines = sqliteTable(
  "engines",
  {
    id: text().primaryKey(),
    accountId: text("account_id").notNull(),
    projectId: text("project_id").notNull(),
    name: text().notNull(),
    baseModel: text("base_model").notNull(),
    base: text({ mode: "json" }).$type<BaseModelRef>().notNull(),
    taskType: text("task_type").$type<ServeTask>().notNull(),
    gpu: text({ mode: "json" }).$type<GpuRequest>().notNull(),
    provider: text(),
    management: text({ mode: "json" }).$type<EngineManagement>().notNull(),
    replicas: integer().notNull(),
    isServerless: integer("is_serverless", { mode: "boolean" }).notNull(),
    status: text().$type<EngineStatus>().notNull(),
    run: integer().notNull(),
    taskIds: text("task_ids", { mode: "json" }).$type<string[]>().notNull(),
    problem: text(),
    version: integer().notNull(),
    lastAccessAtMs: integer("last_access_at_ms").notNull(),
    createdAtMs: integer("created_at_ms").notNull(),
    updatedAtMs: integer("updated_at_ms").notNull(),
    activeSinceMs: integer("active_since_ms"),
    deactivatedAtMs: integer("deactivated_at_ms"),
    deletedAtMs: integer("deleted_at_ms"),
    /** When the sweep looks at it next, should its object have lost its alarm; null: there is nothing that could be missed. */
    sweepAfterMs: integer("sweep_after_ms"),
  },
  (t) => [
    index("engines_by_account").on(t.accountId, t.id),
    index("engines_by_project").on(t.accountId, t.projectId, t.id),
    uniqueIndex("engines_by_name")
      .on(t.accountId, t.name)
      .where(sql`deleted_at_ms IS NULL`),
    // First calls of a model by its own name may come by the thousand: one of them makes the engine.
    uniqueIndex("engines_serverless")
      .on(t.accountId, t.baseModel)
      .where(sql`is_serverless = 1 AND deleted_at_ms IS NULL`),
    index("engines_to_sweep")
      .on(t.sweepAfterMs)
      .where(sql`sweep_after_ms IS NOT NULL`),
  ],
);

export const deployments = sqliteTable(
  "deployments",
  {
    id: text().primaryKey(),
    accountId: text("account_id").notNull(),
    projectId: text("project_id").notNull(),
    engineId: text("engine_id").notNull(),
    name: text().notNull(),
    description: text(),
    origin: text().$type<DeploymentOrigin>().notNull(),
    taskType: text("task_type").$type<ServeTask>().notNull(),
    model: text().notNull(),
    baseModel: text("base_model").notNull(),
    jobId: text("job_id"),
    checkpoint: integer().notNull(),
    checkpointId: text("checkpoint_id"),
    labels: text({ mode: "json" }).$type<string[]>(),
    state: text().$type<DeploymentState>().notNull(),
    error: text(),
    readyRun: integer("ready_run").notNull(),
    readyAtMs: integer("ready_at_ms"),
    createdAtMs: integer("created_at_ms").notNull(),
    updatedAtMs: integer("updated_at_ms").notNull(),
    stoppedAtMs: integer("stopped_at_ms"),
    deletedAtMs: integer("deleted_at_ms"),
  },
  (t) => [
    index("deployments_by_account").on(t.accountId, t.id),
    index("deployments_by_project").on(t.accountId, t.projectId, t.id),
    index("deployments_by_engine").on(t.engineId, t.id),
    // A job whose model is served stays.
    index("deployments_by_job").on(t.jobId),
    uniqueIndex("deployments_by_name")
      .on(t.accountId, t.name)
      .where(sql`state <> 'terminated' AND deleted_at_ms IS NULL`),
  ],
);
