/** Emissary's shapes on the wire: what is unknown is absent, never null, and times are whole UNIX seconds. */
import { z } from "@hono/zod-openapi";
import { pageParams } from "../../http/page-params";

export const PREFIX = {
  project: "ms-",
  dataset: "ds-",
  job: "tr-",
  upload: "up_",
  engine: "engine-",
  deployment: "dp-",
} as const;

export const TASK_TYPES = ["text-generation", "classification", "embedding", "regression"] as const;
export type TaskType = (typeof TASK_TYPES)[number];
export const TECHNIQUES = ["SFT", "GRPO"] as const;
export type Technique = (typeof TECHNIQUES)[number];
export const BASE_MODEL_OPTIONS = ["pre-trained", "fine-tuned"] as const;
export const EMISSARY_STATUSES = [
  "Pending",
  "Running",
  "Testing",
  "Success",
  "Failed",
  "TimedOut",
  "Cancelled",
] as const;
/** As the contract has them; nothing here is ever `Cancelled` or `TimedOut`. */
export const DEPLOYMENT_WORDS = [
  ...(["Pending", "Deploying", "Deployed", "Failed", "Cancelled"] as const),
  ...(["Terminated", "Deactivated", "Reactivating", "TimedOut"] as const),
] as const;
export type EmissaryStatus = (typeof EMISSARY_STATUSES)[number];

/** The whole list, as the contract has it, to a bound that no project reaches; beyond it a Link header names the rest. */
export const MAX_LIST_ITEMS = 1000;
export const listQuery = (prefix: string) =>
  z.object(pageParams({ prefix, defaultLimit: MAX_LIST_ITEMS, maxLimit: MAX_LIST_ITEMS }));

/** Text that every store and every client can carry: no NUL, no half of a surrogate pair. */
export const text = z
  .string()
  .refine((sent) => sent.isWellFormed() && !sent.includes("\0"), "must be text without NUL and lone surrogates");

export const seconds = z.int().openapi({ example: 1633036800, description: "UNIX time in seconds." });
const signedUrl = z.string().openapi({ description: "Needs no key; answers GET and Range for at most an hour." });

export const projectParams = z.object({ project_id: z.string() });
export const datasetParams = projectParams.extend({ dataset_id: z.string() });
export const jobParams = projectParams.extend({ training_job_id: z.string() });
export const modelParams = z.object({ base_model_name: z.string() });

export const modelQuery = z.object({
  task_type: z.enum(TASK_TYPES).optional().openapi({ description: "Whose defaults `parameter_template` shows." }),
  training_technique: z.enum(TECHNIQUES).optional(),
});

export const baseModel = z
  .object({
    name: z.string(),
    type: z.enum(["completion", "classification", "embeddings", "chat"]),
    parameter_template: z.record(z.string(), z.union([z.string(), z.number()])),
    support_serverless: z.boolean(),
  })
  .openapi("BaseModelSummary");
export const baseModelList = z.array(baseModel);

export const createProject = z.strictObject({ name: text.nullish().openapi({ example: "my_project" }) });
export const project = z.object({ id: z.string(), name: z.string() }).openapi("ProjectSummary");
export const projectList = z.array(project);

export const dataset = z
  .object({ id: z.string(), name: z.string(), created_at: seconds, is_uploaded: z.boolean() })
  .openapi("DatasetSummary");
export const datasetList = z.array(dataset);
export const datasetDetail = z
  .object({
    id: z.string(),
    name: z.string(),
    is_uploaded: z.boolean(),
    dataset_download_url: signedUrl,
    upload_by: z.string(),
    created_at: seconds,
    updated_at: seconds,
  })
  .openapi("DatasetDetail");

const reward = z.record(z.string(), z.number()).openapi({ description: "(GRPO) Reward weight map." });

const jobHead = {
  id: z.string(),
  name: z.string(),
  training_technique: z.enum(TECHNIQUES),
  task_type: z.enum(TASK_TYPES),
  base_model_option: z.enum(BASE_MODEL_OPTIONS),
  base_model: z.string(),
  base_fine_tuned_model: z.string().optional(),
  base_fine_tuned_model_checkpoint: z.int().optional(),
  test_functions: z.array(z.string()).optional(),
  reward: reward.optional(),
  status: z.enum(EMISSARY_STATUSES),
  progress: z.int().min(0).max(100),
};
const jobTail = { created_by: z.string(), created_at: seconds, updated_at: seconds };

export const trainingJob = z
  .object({ ...jobHead, train_dataset_name: z.string().optional(), ...jobTail })
  .openapi("TrainingJobSummary");
export const trainingJobList = z.array(trainingJob);

export const trainingJobDetail = z
  .object({
    ...jobHead,
    train_dataset: dataset.optional(),
    test_dataset: dataset.optional(),
    training_loss: z.array(z.object({ timestamp: z.number(), loss: z.number() })),
    hyper_parameters: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
    ...jobTail,
  })
  .openapi("TrainingJobDetail");

export const deployment = z
  .object({ id: z.string(), name: z.string(), status: z.enum(DEPLOYMENT_WORDS), created_at: seconds })
  .openapi("DeploymentSummary");
export const deploymentList = z.array(deployment);

export const projectDetail = z
  .object({
    id: z.string(),
    name: z.string(),
    datasets: datasetList,
    training_jobs: trainingJobList,
    deployments: deploymentList,
  })
  .openapi("ProjectDetail");

export const checkpoint = z
  .object({
    checkpoint: z.int().openapi({ description: "Counts the epochs, from 1." }),
    model_download_url: signedUrl,
    test_results: z
      .object({
        general_test_result: signedUrl.openapi({ description: "JSON Lines: a row of the test set each." }),
        aggregated_test_result: z
          .record(z.string(), z.string())
          .openapi({ description: "The mean of each testing function, as text." }),
      })
      .optional(),
    created_at: seconds,
    updated_at: seconds,
  })
  .openapi("TrainingJobCheckpoint");
export const checkpointList = z.array(checkpoint);

export const testFunction = z
  .object({ name: z.string(), content: z.string(), dependencies: z.array(z.string()) })
  .openapi("TestingFunctionSummary");
export const testFunctionList = z.array(testFunction);
