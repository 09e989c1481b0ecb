/** The body of POST /v1/training_jobs. What this release does not carry is refused by name, and never ignored. */
import { z } from "@hono/zod-openapi";

export const gpu = z
  .strictObject({
    type: z.string().optional(),
    count: z.int().optional(),
    gpu_type: z.string().optional().openapi({ description: "As the published Python client calls `type`." }),
    gpu_count: z.int().optional().openapi({ description: "As the published Python client calls `count`." }),
  })
  .transform((sent, context) => {
    const type = agreed(sent.type, sent.gpu_type);
    const count = agreed(sent.count, sent.gpu_count);
    for (const [name, value] of Object.entries({ type, count })) {
      if (value === undefined) context.addIssue({ code: "custom", path: [name], message: "is required" });
      if (value === null) {
        context.addIssue({ code: "custom", path: [name], message: `contradicts gpu_${name}: send one of them` });
      }
    }
    if (type === undefined || type === null || count === undefined || count === null) return z.NEVER;
    return { type, count };
  });

/** null when both are there and differ. */
function agreed<T>(value: T | undefined, alias: T | undefined): T | null | undefined {
  return value !== undefined && alias !== undefined && value !== alias ? null : (value ?? alias);
}

const body = z.object({
  base_model: z.string(),
  dataset_id: z.string(),
  reward_function_id: z.string().nullish(),
  reward_function_ids: z.array(z.string()).min(1).max(16).nullish(),
  reward_weights: z.array(z.number()).nullish(),
  method: z.string().nullish(),
  output_name: z.string(),
  hyperparameters: z.record(z.string(), z.unknown()).nullish(),
  gpu,
  provider: z.string().nullish(),
  // Loose, so that another type is named before its fields are.
  checkpoint_destination: z.looseObject({ type: z.string() }).nullish(),
  environments: z.record(z.string(), z.unknown()).nullish(),
  requires_heartbeat: z
    .boolean()
    .nullish()
    .openapi({ description: "Accepted and without effect: jobs have no owner process." }),
});

/** Fields of later versions of the client, and what is missing here for each. */
const NOT_CARRIED: Record<string, string> = {
  job_type: "custom script jobs are not supported: only training jobs are",
  script: "custom scripts and agent harnesses are not supported",
  region: "there are no regions to choose from: a job runs where a fitting agent is",
  volume: "volumes are not supported: upload the data as a dataset",
  hf_push: "pushing to Hugging Face is not supported: download the model and push it yourself",
  num_nodes: "training over several nodes is not supported: ask for more GPUs of one host",
};

/** Unset in all but name; one node is what there is. */
function meansNothing(key: string, value: unknown): boolean {
  return value === null || value === false || (key === "num_nodes" && value === 1);
}

export const createTrainingJobBody = z
  .preprocess((sent, context) => {
    if (typeof sent !== "object" || sent === null || Array.isArray(sent)) return sent;
    for (const [key, value] of Object.entries(sent)) {
      if (key in body.shape || meansNothing(key, value)) continue;
      context.addIssue({ code: "custom", path: [key], message: NOT_CARRIED[key] ?? "is not a field of this request" });
    }
    return sent;
  }, body)
  .openapi("CreateTrainingJob");
export type CreateTrainingJobBody = z.output<typeof createTrainingJobBody>;
