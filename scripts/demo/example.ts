/** The example that the demo trains: its files in examples/addition, sent through the public (Veri) API. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import type { ApiClient } from "../api";
import { root } from "../env";

export const exampleDir = path.join(root, "examples", "addition");

const recipe = z.object({
  method: z.string(),
  base_model: z.string().optional(),
  dataset: z.string(),
  reward_function: z.object({ name: z.string(), file: z.string(), format: z.string() }).optional(),
  output_name: z.string(),
  gpu: z.object({ type: z.string(), count: z.number() }),
  provider: z.string().optional(),
  hyperparameters: z.record(z.string(), z.unknown()).and(z.object({ max_steps: z.number() })),
});
export type Recipe = z.infer<typeof recipe>;

const created = z.object({ id: z.string() });

export function readRecipe(name: string): Recipe {
  return recipe.parse(JSON.parse(readFileSync(path.join(exampleDir, name), "utf8")));
}

/** Uploads the recipe's dataset and reward function and creates its job; gives the job's id. */
export async function submit(client: ApiClient, given: Recipe, baseModel: string): Promise<string> {
  const dataset = await client.post("/v1/datasets", form(given.dataset, { name: given.dataset }), created);
  const { dataset: _file, reward_function: reward, ...rest } = given;
  const job = {
    ...rest,
    base_model: baseModel,
    dataset_id: dataset.id,
    ...(reward === undefined ? {} : { reward_function_id: await uploadReward(client, reward) }),
  };
  return (await client.post("/v1/training_jobs", job, created)).id;
}

async function uploadReward(client: ApiClient, reward: NonNullable<Recipe["reward_function"]>): Promise<string> {
  const body = form(reward.file, { name: reward.name, format: reward.format });
  return (await client.post("/v1/reward_functions", body, created)).id;
}

function form(file: string, fields: Record<string, string>): FormData {
  const made = new FormData();
  for (const [name, value] of Object.entries(fields)) made.set(name, value);
  made.set("file", new File([readFileSync(path.join(exampleDir, file))], file));
  return made;
}
