/** What the jobs train: full and by adapter, by steps and by epochs, with tests. Each is run undisturbed first. */
import { readFileSync } from "node:fs";
import path from "node:path";
import type { ApiClient } from "../../scripts/api";
import { root } from "../../scripts/env";
import { jsonLines, uploadDataset, uploadReward } from "../harness/jobs";

export interface Recipe {
  name: string;
  method: "sft_text" | "grpo" | "classification";
  base_model?: string;
  hyperparameters: Record<string, unknown> & { max_steps?: number };
  test?: { split_percent: number; functions: { id: string }[] };
}

const SFT = { learning_rate: 0.002, batch_size: 8, max_seq_length: 32 };
const GRPO = {
  learning_rate: 0.0005,
  rollouts_per_prompt: 4,
  global_batch_size: 16,
  kl_coef: 0.001,
  max_prompt_length: 16,
  max_response_length: 4,
};
const LORA = { lora_rank: 4, lora_alpha: 8, lora_dropout: 0.1 };

/** `scale` 1 is about half a minute of steps on an idle core of 2026. */
export function recipes(scale: number): Recipe[] {
  const steps = (full: number): number => Math.max(10, Math.round(full * scale));
  return [
    { name: "sft", method: "sft_text", hyperparameters: { ...SFT, max_steps: steps(3000) } },
    { name: "grpo", method: "grpo", hyperparameters: { ...GRPO, max_steps: steps(500) } },
    { name: "sft-lora", method: "sft_text", hyperparameters: { ...SFT, ...LORA, max_steps: steps(2000) } },
    { name: "grpo-lora", method: "grpo", hyperparameters: { ...GRPO, ...LORA, max_steps: steps(400) } },
    {
      name: "sft-epochs",
      method: "sft_text",
      hyperparameters: { ...SFT, seed: 7, num_epochs: Math.max(2, Math.round(16 * scale)) },
    },
    {
      name: "tested",
      method: "classification",
      base_model: "anneal/tiny-bert",
      hyperparameters: { ...SFT, num_epochs: Math.max(3, Math.round(8 * scale)) },
      test: { split_percent: 50, functions: [{ id: "shared:sample_match_combined_metric_shared" }] },
    },
  ];
}

/** Uploaded once and shared by all jobs of a run. */
export interface Inputs {
  sums: string;
  prompts: string;
  reward: string;
}

const ROWS = 1_200;

export async function uploadInputs(client: ApiClient): Promise<Inputs> {
  const sums = Array.from({ length: ROWS }, (_, n) => ({ a: (n * 7) % 50, b: (n * 13) % 50 }));
  const completed = sums.map(({ a, b }) => ({ prompt: `${String(a)}+${String(b)}=`, completion: String(a + b) }));
  const asked = sums.map(({ a, b }) => ({ prompt: `${String(a)}+${String(b)}=`, answer: String(a + b) }));
  return {
    sums: await uploadDataset(client, "sums", jsonLines(completed)),
    prompts: await uploadDataset(client, "prompts", jsonLines(asked)),
    reward: await uploadReward(client, "digits", readFileSync(path.join(root, "test", "chaos", "reward.py"), "utf8")),
  };
}

/** The body of `POST /anneal/v1/jobs`. */
export function jobRequest(recipe: Recipe, inputs: Inputs): object {
  return {
    method: recipe.method,
    base_model: recipe.base_model ?? "anneal/tiny-llama",
    dataset_id: recipe.method === "grpo" ? inputs.prompts : inputs.sums,
    functions: recipe.method === "grpo" ? [{ id: inputs.reward }] : [],
    hyperparameters: recipe.hyperparameters,
    ...(recipe.test && { test: recipe.test }),
    output_name: `chaos-${recipe.name}`,
    gpu: { type: "L4-24GB", count: 1 },
  };
}
