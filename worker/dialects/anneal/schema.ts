/** What the native dialect takes and answers. It shows the whole domain: every other dialect is a part of this. */
import { z } from "@hono/zod-openapi";
import {
  checkpointKind,
  EVAL_METRICS,
  DATASET_FORMATS,
  failureReason,
  functionFormat,
  gpuInfo,
  lineage,
  METHODS,
  metricKind,
  rebalance,
  slotInfo,
  serveTask,
  TASK_KINDS,
  TRAINER_TASK_KINDS,
} from "../../../protocol";
import { SCOPES } from "../../domain/accounts";
import { EVENT_TYPES } from "../../domain/job";
import { MAX_UPLOAD_BYTES_OF, UPLOAD_PART_BYTES, UPLOAD_PURPOSES, UPLOAD_STATES } from "../../domain/uploads";
import { JOB_STATUSES } from "../../domain/job-state";
import { pageParams, queryInt } from "../../http/page-params";

export const PREFIX = {
  project: "ms-",
  key: "key_",
  dataset: "ds_",
  fn: "rf_",
  upload: "up_",
  job: "job_",
  checkpoint: "ckpt_",
  agent: "agent_",
  token: "boot_",
  account: "acct_",
  engine: "eng_",
  deployment: "dep_",
} as const;

const MAX_NAME_CHARS = 200;
export const name = z.string().trim().min(1).max(MAX_NAME_CHARS);
export const timestamp = z.string().openapi({ description: "RFC 3339, UTC, milliseconds.", format: "date-time" });
const sha256 = z.string().openapi({ description: "SHA-256 in lower-case hex." });
const signedUrl = z.string().openapi({ description: "Needs no key; answers GET and Range for at most an hour." });

export function listOf<T extends z.ZodType>(item: T) {
  return z.object({ data: z.array(item), has_more: z.boolean() });
}

export const listQuery = (prefix: string) => z.object(pageParams({ prefix, defaultLimit: 20, maxLimit: 100 }));

export const idParam = z.object({ id: z.string() });

export const deleted = z.object({ id: z.string(), deleted: z.literal(true) }).openapi("Deleted");
export const revoked = z.object({ id: z.string(), revoked: z.literal(true) }).openapi("Revoked");

export const createProject = z.strictObject({ name });
export const project = z.object({ id: z.string(), name: z.string(), created_at: timestamp }).openapi("Project");

export const createKey = z.strictObject({
  name,
  scopes: z
    .array(z.enum(SCOPES))
    .min(1)
    .optional()
    .openapi({ description: "Never wider than the caller's, which is the default." }),
});
export const key = z
  .object({
    id: z.string(),
    project_id: z.string(),
    name: z.string(),
    prefix: z.string(),
    scopes: z.array(z.enum(SCOPES)),
    created_at: timestamp,
    last_used_at: timestamp.nullable(),
  })
  .openapi("Key");
export const newKey = key
  .extend({ key: z.string().openapi({ description: "Shown this once; only its SHA-256 is kept." }) })
  .openapi("NewKey");

export const uploadDatasetQuery = z.object({
  name: name.optional().openapi({ description: "For a raw body; a form has its own field `name`." }),
  file_name: name.optional().openapi({
    description: "For a raw body: its ending says whether it is CSV or JSON Lines; else its first byte does.",
  }),
});
const labels = z.object({
  kind: z.enum(["binary", "multiclass", "multilabel"]),
  counts: z.record(z.string(), z.int()).openapi({ description: "Of binary data `positive` and `negative`." }),
});
export const dataset = z
  .object({
    id: z.string(),
    project_id: z.string(),
    name: z.string(),
    format: z.enum(DATASET_FORMATS),
    columns: z.array(z.string()),
    num_rows: z.int(),
    size_bytes: z.int(),
    sha256,
    file_name: z.string().nullable(),
    file_kind: z.enum(["jsonl", "csv"]),
    methods: z.array(z.enum(METHODS)).openapi({ description: "Those that it can train." }),
    misfits: z.record(z.string(), z.string()).openapi({
      description: "For each method that takes the format, but not every row: the first line that does not fit.",
    }),
    labels: labels.nullable().openapi({ description: "null: it has none, or more than 1,000." }),
    created_at: timestamp,
  })
  .openapi("Dataset");
export const download = z
  .object({ url: signedUrl, size_bytes: z.int(), sha256, expires_at: timestamp })
  .openapi("Download");

export const datasetFromUpload = z.strictObject({
  upload_id: z.string().openapi({ description: "A completed upload; the dataset takes its bytes." }),
  name: name.optional().openapi({ description: "The file's name without its ending by default." }),
});

const wantedSha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/, "must be 64 lower-case hex digits")
  .openapi({ description: "SHA-256 of the whole file; the upload completes only when its bytes have it." });
export const createUpload = z
  .strictObject({
    filename: name,
    purpose: z.enum(UPLOAD_PURPOSES).default("dataset"),
    size_bytes: z
      .int()
      .min(0)
      .optional()
      .openapi({ description: `When it is known; at most ${String(MAX_UPLOAD_BYTES_OF.dataset)}.` }),
    sha256: wantedSha256.optional(),
    content_type: z.string().max(MAX_NAME_CHARS).optional(),
  })
  .openapi("CreateUpload");
export const completeUpload = z.strictObject({ sha256: wantedSha256.optional() });
export const uploadSummary = z
  .object({
    id: z.string(),
    project_id: z.string(),
    filename: z.string(),
    purpose: z.enum(UPLOAD_PURPOSES),
    content_type: z.string().nullable(),
    state: z.enum(UPLOAD_STATES),
    size_bytes: z.int().nullable().openapi({ description: "null while it is not known." }),
    sha256: sha256.nullable().openapi({ description: "Of the whole file: as it was said, then as it is." }),
    created_at: timestamp,
    expires_at: timestamp,
  })
  .openapi("UploadSummary");
export const upload = uploadSummary
  .extend({
    offset: z.int().openapi({ description: "Bytes received and kept: the next byte to send." }),
    part_bytes: z.int().openapi({
      description: `${String(UPLOAD_PART_BYTES)}: pieces may have any size, multiples of this go quickest.`,
    }),
    upload_url: z.string().openapi({ description: "Where the bytes go, by PUT, with the same key." }),
  })
  .openapi("Upload");

export const createFunction = z.strictObject({
  name: name.openapi({ description: "Of a testing function (format `test`) its name in Python." }),
  format: functionFormat.default("trl"),
  source: z.string(),
});
export const fn = z
  .object({
    id: z.string(),
    project_id: z.string(),
    name: z.string(),
    format: functionFormat,
    size_bytes: z.int(),
    sha256,
    created_at: timestamp,
  })
  .openapi("Function");

export const gpu = z.object({ type: z.string(), count: z.int() });
const functionRef = z
  .string()
  .openapi({ description: "`rf_<id>`, or `shared:<name>` for one that comes with Anneal." });
const weighted = z.object({ id: z.string(), weight: z.number() });

const TEN_YEARS_SECONDS = 315_360_000;
const maxDuration = z.number().positive().max(TEN_YEARS_SECONDS).openapi({
  description: "Time that attempts may hold the job, all of them together; queued and paused time is not counted.",
});

const EVAL_METRICS_IN_WORDS = Object.entries(EVAL_METRICS)
  .filter(([, names]) => names.length > 0)
  .map(([method, names]) => `${method}: ${names.join(", ")}.`)
  .join(" ");

export const createJob = z
  .strictObject({
    method: z.string().openapi({ description: `One of ${METHODS.join(", ")}.` }),
    base_model: z.string().openapi({
      description: "A name of the catalogue (such as anneal/tiny-llama), a Hugging Face id, or `job_<id>[@ordinal]`.",
    }),
    kind: z
      .enum(TRAINER_TASK_KINDS)
      .default("train")
      .openapi({
        description:
          "`preprocess` tokenises what the same request would train on; `import` brings the base model here, to be " +
          "downloaded or trained on as `job_<id>`, and takes neither data nor hyperparameters.",
      }),
    dataset_id: z.string().optional().openapi({ description: "For every kind but `import`." }),
    preprocessed_by: z.string().optional().openapi({
      description: "A completed job of kind `preprocess` on the same data: its tokens are not made again.",
    }),
    functions: z
      .array(z.strictObject({ id: functionRef, weight: z.number().default(1) }))
      .max(16)
      .default([]),
    hyperparameters: z.record(z.string(), z.unknown()).default({}),
    output_name: z.string(),
    gpu: z.strictObject({ type: z.string(), count: z.int().default(1) }).optional(),
    provider: z.string().optional(),
    max_cost_usd: z.number().positive().optional(),
    max_duration_seconds: maxDuration.optional(),
    hang_timeout_seconds: z.int().min(10).max(86_400).optional().openapi({
      description: "So long without a step, and the attempt is lost as hung; 600 for sft_text, 1800 for grpo.",
    }),
    eval: z
      .strictObject({
        dataset_id: z.string().optional(),
        split_percent: z.int().min(1).max(50).optional(),
        every_steps: z.int().min(1).max(100_000_000).optional(),
        every_epochs: z.int().min(1).max(10_000).optional(),
        metrics: z
          .array(z.string())
          .max(30)
          .optional()
          .openapi({ description: `Beside the loss. ${EVAL_METRICS_IN_WORDS}` }),
        at_start: z.boolean().optional().openapi({ description: "Once before the first step, told as step 0." }),
      })
      .optional()
      .openapi({
        description:
          "For every method but grpo: evaluate on another dataset, or on a share of the rows held back by the job's " +
          "seed (exactly one of the two), at every so many steps or epochs (default: each epoch's end) and at the " +
          "last step.",
      }),
    early_stop: z
      .strictObject({
        metric: z.enum(["eval_loss", "reward"]),
        patience: z.int().min(1).max(100_000),
        min_delta: z.number().min(0).max(1_000_000).optional(),
        window: z.int().min(1).max(100_000).optional(),
      })
      .optional()
      .openapi({
        description:
          "Stop after `patience` comparisons without an improvement of more than `min_delta` (0), and keep the best " +
          "weights as the final ones. eval_loss (needs eval) is compared at each evaluation; reward (grpo), as the " +
          "mean of the last `window` steps (10), once in so many steps.",
      }),
    description: z.string().max(10_000).optional(),
    downsample_percent: z.number().gt(0).max(100).optional().openapi({
      description: "Train on this share of the rows, drawn with the seed once those to test on are taken out.",
    }),
    rebalance: z
      .record(z.string(), z.number())
      .optional()
      .openapi({
        description:
          "For classification: a share of the rows for every label (they sum to 1), or numbers of rows, where a label " +
          "that is left out keeps its own. Binary data has the labels positive and negative.",
      }),
    test: z
      .strictObject({
        dataset_id: z.string().optional(),
        split_percent: z.number().gt(0).lt(100).optional(),
        functions: z
          .array(z.strictObject({ id: functionRef }))
          .max(20)
          .default([]),
      })
      .optional()
      .openapi({
        description:
          "Test every checkpoint when the training is over: on another dataset, or on a share of the rows held back by " +
          "the job's seed (exactly one of the two). Functions are of format test.",
      }),
  })
  .openapi("CreateJob");
export type CreateJob = z.infer<typeof createJob>;

export const retryJob = z
  .strictObject({
    from: z.enum(["checkpoint", "start"]).default("checkpoint").openapi({
      description: "`checkpoint`: the old job's last committed resume checkpoint, where it has one.",
    }),
    max_duration_seconds: maxDuration.optional().openapi({ description: "In place of the old job's." }),
  })
  .openapi("RetryJob");
export type RetryJob = z.infer<typeof retryJob>;

export const jobSpec = z
  .object({
    base_model: z.discriminatedUnion("kind", [
      z.object({ kind: z.literal("builtin"), name: z.string() }),
      z.object({ kind: z.literal("hub"), id: z.string() }),
      z.object({ kind: z.literal("path"), path: z.string() }),
      z.object({ kind: z.literal("job"), job_id: z.string(), ordinal: z.int().optional() }),
    ]),
    hyperparameters: z.record(z.string(), z.unknown()).openapi({ description: "With every default filled in." }),
    functions: z.array(weighted),
    gpu,
    provider: z.string().nullable(),
    max_cost_usd: z.number().nullable(),
    max_duration_seconds: z.number().nullable(),
    hang_timeout_seconds: z.number(),
    eval: z
      .object({
        dataset_id: z.string().nullable(),
        split_percent: z.int().nullable(),
        every_steps: z.int().nullable(),
        every_epochs: z.int().nullable(),
        metrics: z.array(z.string()).openapi({ description: "Beside the loss." }),
        at_start: z.boolean(),
      })
      .nullable(),
    preprocessed_by: z.string().nullable(),
    early_stop: z
      .object({
        metric: z.enum(["eval_loss", "reward"]),
        patience: z.int(),
        min_delta: z.number(),
        window: z.int().nullable(),
      })
      .nullable(),
    description: z.string().nullable(),
    downsample_percent: z.number().nullable(),
    rebalance: rebalance.nullable(),
    test: z
      .object({
        dataset_id: z.string().nullable(),
        split_percent: z.number().nullable(),
        functions: z.array(z.object({ id: z.string() })),
      })
      .nullable(),
    serve: z
      .object({ engine_id: z.string(), task: serveTask, memory_bytes: z.int() })
      .nullable()
      .openapi({ description: "Of kind `serve`: what it is for, and the memory that its models are thought to need." }),
    lineage: lineage
      .nullable()
      .openapi({ description: "Where a base model that is another job's came from; `root` began it all." }),
  })
  .openapi("JobSpec");

export const jobSummary = z
  .object({
    id: z.string(),
    project_id: z.string(),
    kind: z.enum(TASK_KINDS),
    method: z.enum(METHODS),
    status: z.enum(JOB_STATUSES),
    reason: z
      .object({ code: failureReason, message: z.string() })
      .nullable()
      .openapi({ description: "Why the job failed, timed out or was cancelled." }),
    base_model: z.string(),
    dataset_id: z.string().nullable().openapi({ description: "null of kinds `import` and `serve`." }),
    output_name: z.string(),
    spec: jobSpec,
    provider: z.string().nullable(),
    gpu: gpu.nullable().openapi({ description: "null until the job is provisioned." }),
    gpu_requested: gpu,
    progress: z
      .int()
      .openapi({ description: "Percent of the work done; 100 once it has completed. Tests are the last tenth." }),
    attempt: z.int().openapi({ description: "0 before the first one." }),
    lost_in_a_row: z
      .int()
      .openapi({ description: "Attempts lost since the last committed checkpoint; 3 end the job." }),
    pause_requested_at: timestamp
      .nullable()
      .openapi({ description: "Set while an agent still holds a job that is to be paused." }),
    retry_of: z.string().nullable().openapi({ description: "The job that this one tries again." }),
    agent_id: z.string().nullable(),
    created_at: timestamp,
    updated_at: timestamp,
    started_at: timestamp.nullable(),
    completed_at: timestamp.nullable(),
  })
  .openapi("JobSummary");
export const job = jobSummary
  .extend({
    log_tail: z.array(z.string()).openapi({ description: "The last lines of a failed job." }),
    checkpoint_sha256: sha256
      .nullable()
      .openapi({ description: "Of model.tar.gz, when the job has completed; null of kind `preprocess`." }),
    model: z.object({ checkpoint_id: z.string(), step: z.int(), url: signedUrl, expires_at: timestamp }).nullable(),
  })
  .openapi("Job");

export const listJobsQuery = listQuery(PREFIX.job).extend({
  status: z.enum(JOB_STATUSES).optional(),
  kind: z.enum(TASK_KINDS).default("train"),
  method: z.enum(METHODS).optional(),
  project_id: z.string().optional(),
});

const MAX_EVENT_ID = 1_000_000_000_000;
export const eventsQuery = z.object({
  limit: queryInt({ min: 1, max: 1000, default: 50 }),
  after: queryInt({ min: 0, max: MAX_EVENT_ID }).optional().openapi({ description: "The id of the last event read." }),
});
export const event = z
  .object({
    id: z.int().openapi({ description: "Counts all items of the job's stream." }),
    event_type: z.enum(EVENT_TYPES),
    timestamp,
    attempt: z.int(),
    metadata: z.record(z.string(), z.unknown()),
  })
  .openapi("Event");

const MAX_STEP = 1_000_000_000_000;
export const metricsQuery = z.object({
  kind: metricKind.default("train"),
  keys: z.string().optional().openapi({ description: "Comma-separated; all when absent." }),
  from_step: queryInt({ min: 0, max: MAX_STEP }).optional(),
  to_step: queryInt({ min: 0, max: MAX_STEP }).optional(),
  max_points: queryInt({ min: 1, max: 10_000, default: 500 }).openapi({
    description: "Longer runs are thinned evenly.",
  }),
});
export const metrics = z
  .object({
    metrics: z.array(z.object({ step: z.int(), attempt: z.int(), values: z.record(z.string(), z.number()) })),
    available_keys: z.array(z.string()),
    latest_step: z.int().nullable(),
  })
  .openapi("Metrics");

export const checkpoint = z
  .object({
    id: z.string(),
    job_id: z.string(),
    attempt: z.int(),
    kind: checkpointKind,
    step: z.int(),
    epoch: z.number().openapi({ description: "Epochs trained so far." }),
    ordinal: z
      .int()
      .nullable()
      .openapi({ description: "What `job_<id>@<ordinal>` means; null for resume checkpoints and tests." }),
    state: z.enum(["committed", "bad", "deleted"]),
    size_bytes: z.int(),
    model_sha256: sha256.nullable(),
    results: z
      .record(z.string(), z.number())
      .nullable()
      .openapi({ description: "Of kind `test`, which is of the checkpoint of the same step: each function's mean." }),
    created_at: timestamp,
  })
  .openapi("Checkpoint");
export const checkpointDetail = checkpoint
  .extend({
    files: z.array(z.object({ role: z.string(), path: z.string(), size_bytes: z.int(), sha256, url: signedUrl })),
  })
  .openapi("CheckpointDetail");
export const checkpointParams = z.object({ id: z.string(), checkpoint_id: z.string() });

export const model = z
  .object({
    job_id: z.string(),
    checkpoint_id: z.string(),
    sha256: sha256.openapi({ description: "Of the archive." }),
    url: signedUrl.openapi({ description: "model.tar.gz." }),
    files: z
      .array(z.object({ path: z.string(), size_bytes: z.int(), url: signedUrl }))
      .openapi({ description: "The same files one by one." }),
    expires_at: timestamp,
  })
  .openapi("Model");

export const agent = z
  .object({
    id: z.string(),
    name: z.string(),
    agent_version: z.string(),
    gpus: z.array(gpuInfo),
    cpu_count: z.int(),
    memory_bytes: z.int(),
    driver: z.string().nullable(),
    cuda_probe: z.object({ ok: z.boolean(), detail: z.string() }).nullable(),
    isolation: z.object({ level: z.int(), detail: z.string() }),
    slots: z.array(slotInfo),
    created_at: timestamp,
    revoked_at: timestamp.nullable(),
  })
  .openapi("Agent");

/** A host that is booted by hand may take a while; a token that is forgotten should not stay good for long. */
const DEFAULT_TOKEN_TTL_SECONDS = 3600;
const MAX_TOKEN_TTL_SECONDS = 30 * 24 * 3600;
export const createToken = z.strictObject({
  reusable: z.boolean().default(false).openapi({ description: "One token for many agents." }),
  ttl_seconds: z.int().min(60).max(MAX_TOKEN_TTL_SECONDS).default(DEFAULT_TOKEN_TTL_SECONDS),
});
export const token = z
  .object({
    id: z.string(),
    reusable: z.boolean(),
    agent_id: z.string().nullable().openapi({ description: "The agent that used it." }),
    created_at: timestamp,
    expires_at: timestamp,
  })
  .openapi("AgentToken");
export const newToken = token
  .extend({ token: z.string().openapi({ description: "Shown this once; only its SHA-256 is kept." }) })
  .openapi("NewAgentToken");
