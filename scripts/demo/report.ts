/** What the demo found: per job, and whether that is what training should do. */
import type { FetchedModel, Sampled } from "./model";
import type { Curve } from "./watch-job";

export interface JobReport {
  id: string;
  method: string;
  steps: number;
  first_loss: number | null;
  last_loss: number | null;
  first_reward: number | null;
  last_reward: number | null;
  seconds: number;
  checkpoint_sha256: string | null;
}

/** SFT must at least halve its loss; GRPO must raise its reward by this. */
const MIN_REWARD_RISE = 0.2;

export interface Facts {
  id: string;
  method: string;
  seconds: number;
  loss: Curve;
  reward: Curve;
  model: FetchedModel;
}

export function jobReport({ id, method, seconds, loss, reward, model }: Facts): JobReport {
  return {
    id,
    method,
    steps: loss.steps,
    first_loss: round(loss.first),
    last_loss: round(loss.last),
    first_reward: round(reward.first),
    last_reward: round(reward.last),
    seconds: round(seconds) ?? 0,
    checkpoint_sha256: model.committedSha256,
  };
}

/** One sentence for each thing that is not as it should be; none means ok. */
export function faults({ method, loss, reward, model }: Facts): string[] {
  const found: string[] = [];
  if (model.sha256 !== model.committedSha256) {
    found.push(
      `${method}: the downloaded model's SHA-256 is ${model.sha256}, committed was ${String(model.committedSha256)}`,
    );
  }
  if (method === "sft_text" && !(loss.first !== null && loss.last !== null && loss.last <= loss.first / 2)) {
    found.push(`${method}: the loss went from ${String(loss.first)} to ${String(loss.last)}, not down by half`);
  }
  const { first, last } = reward;
  if (method === "grpo" && !(first !== null && last !== null && last - first >= MIN_REWARD_RISE)) {
    found.push(
      `${method}: the reward went from ${String(first)} to ${String(last)}, not up by ${String(MIN_REWARD_RISE)}`,
    );
  }
  return found;
}

/** Held-out prompts, what each model makes of them. */
export function sampleTable(columns: Record<string, Sampled>, rows: number): string {
  const names = Object.keys(columns);
  const prompts = Object.values(columns)[0]?.completions.slice(0, rows) ?? [];
  const lines = prompts.map(({ prompt, answer }, index) => {
    const cells = Object.values(columns).map(({ completions }) => cell(completions[index]));
    return [prompt, answer, ...cells].map((text) => text.padEnd(16)).join(" ");
  });
  const header = ["prompt", "answer", ...names].map((text) => text.padEnd(16)).join(" ");
  const matches = Object.values(columns).map(({ exact_match: match }) => `${(100 * match).toFixed(0)} % right`);
  return [header, ...lines, ["", "", ...matches].map((text) => text.padEnd(16)).join(" ")].join("\n");
}

function cell(one: Sampled["completions"][number] | undefined): string {
  return one === undefined ? "" : `${JSON.stringify(one.completion).slice(1, -1)}${one.right ? " ✓" : ""}`;
}

function round(value: number | null): number | null {
  return value === null ? null : Math.round(value * 10_000) / 10_000;
}
