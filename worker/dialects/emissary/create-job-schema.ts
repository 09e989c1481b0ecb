/** The bodies that make training jobs. What is not a field of theirs is refused by name, and null stands for absent. */
import { z } from "@hono/zod-openapi";
import { MAX_FUNCTIONS } from "../../domain/testing";
import { BASE_MODEL_OPTIONS, TASK_TYPES, text } from "./schema";

const number = z.number().nullish();
const functionNames = z.array(text).max(MAX_FUNCTIONS, `must name at most ${String(MAX_FUNCTIONS)} testing functions`);

const common = {
  base_model_option: z.enum(BASE_MODEL_OPTIONS).nullish(),
  base_model: text.openapi({
    example: "Llama-3.2-1B-Instruct",
    description:
      "A name of GET /v1/models, or HF_MODEL with `hf_model_link`. For fine-tuned: a training job's name in this " +
      "project (its newest success) or its id.",
  }),
  checkpoint: number.openapi({ description: "For fine-tuned: which checkpoint of that job, from 1." }),
  train_dataset_id: z.string(),
  test_dataset_id: z.string().nullish().openapi({ description: "Wins over `train_test_split_ratio`." }),
  train_test_split_ratio: z
    .number()
    .gt(0, "must be above 0 and below 100")
    .lt(100, "must be above 0 and below 100")
    .nullish()
    .openapi({ description: "Percent of the training dataset to test on, drawn with the seed.", example: 20 }),
  name: text.nullish(),
  description: text.nullish(),
  task_type: z.enum(TASK_TYPES).nullish(),
  hf_model_link: text.nullish().openapi({
    example: "https://huggingface.co/my_model",
    description: "With HF_MODEL; on a deployment for development also an absolute path on the agent's host.",
  }),
};

export const createTrainingJob = z
  .strictObject({
    ...common,
    test_functions: functionNames.nullish(),
    parameters: z
      .looseObject({
        downsample_size: number.openapi({ description: "Percent of the training rows." }),
        learning_rate: number,
        num_train_epochs: number,
        per_device_train_batch_size: number,
        per_device_eval_batch_size: number,
        dynamic_loss: z.boolean().nullish(),
      })
      .nullish(),
    rebalance_data: z
      .record(z.string(), z.number())
      .nullish()
      .openapi({ description: "For classification: shares by label that sum to 1, or numbers of rows." }),
  })
  .openapi("CreateTrainingJob");
export type CreateTrainingJob = z.output<typeof createTrainingJob>;

export const createGrpoTrainingJob = z
  .strictObject({
    ...common,
    test_functions: functionNames.min(1, "must name at least one testing function"),
    reward: z
      .record(z.string(), z.number())
      .openapi({ description: "A weight for each of `test_functions`; they sum to 1." }),
    parameters: z
      .looseObject({
        learning_rate: number,
        num_train_epochs: number,
        num_generations: number,
        per_device_train_batch_size: number,
      })
      .nullish(),
  })
  .openapi("CreateGRPOTrainingJob");
export type CreateGrpoTrainingJob = z.output<typeof createGrpoTrainingJob>;
