/**
 * What it costs to train under the agent: the trainer's own measure of its training (`train_runtime`: from the first step
 * to the last, resume checkpoints included) beside the same trainer run bare with the config file that the agent wrote.
 * One torch thread; the trainer has a core of its own, the control plane, the agent and this process share the others.
 */
import { readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { z } from "zod";
import type { TrainerConfig } from "../../protocol";
import { exampleDir, readRecipe } from "../../scripts/demo/example";
import { run } from "../../scripts/processes";
import { preparePython } from "../../scripts/python-env";
import { startAgent } from "../agent";
import { copyConfig, runBare } from "../bare-trainer";
import type { Benchmark, Options } from "../benchmark";
import { createJob, followMetrics, uploadDataset, waitUntilCompleted } from "../jobs";
import { withPlane, type Plane } from "../plane";
import { atMost, must, type Result } from "../result";
import { median } from "../stats";

const RATIO = 1.02;
const JOB_TIMEOUT_MS = 900_000;
/** Of a run that only finds out how fast this machine is. */
const CALIBRATION_STEPS = 50;
/** All steps of a run in one answer. */
const MAX_POINTS = 10_000;
const PAIRS = 5;

/** One run: how long it trained, and the loss of each step. */
interface Trained {
  seconds: number;
  losses: Map<number, number>;
}

export const overhead: Benchmark = {
  name: "overhead",
  what: "training wall time under the agent ÷ the same trainer run bare",
  async run(options) {
    const last = os.availableParallelism() - 1;
    if (last < 1) throw new Error("needs two cores: one for the trainer, one for everything else");
    const others = `0-${String(last - 1)}`;
    const python = pinnedPython(options.workDir, await preparePython(), last);
    await setCores(others);
    try {
      return await withPlane(options, { cores: others }, (plane) => measure(plane, options, python, others));
    } finally {
      await setCores(`0-${String(last)}`);
    }
  },
};

async function measure(plane: Plane, options: Options, python: string, cores: string): Promise<Result[]> {
  // The warm trainer of an agent that waits would make its imports on the bare trainer's core.
  const env = { ANNEAL_PYTHON: python, ANNEAL_WARM_TRAINER: "0" };
  const agent = await startAgent(plane, { name: "overhead", env, cores });
  const recipe = readRecipe("sft.json");
  const datasetId = await uploadDataset(plane.client, readRows(recipe.dataset));
  const first = await createJob(plane.client, {
    datasetId,
    hyperparameters: { ...recipe.hyperparameters, max_steps: CALIBRATION_STEPS },
  });
  const config = await copyConfig(agent, plane.dir);
  await waitUntilCompleted(plane.client, first, JOB_TIMEOUT_MS);
  const calibration = await trainBare(python, config, plane.dir);
  const seconds = options.quick ? 5 : 66;
  const steps = Math.min(MAX_POINTS, Math.ceil((seconds / calibration.seconds) * CALIBRATION_STEPS));
  const long = { ...config, hyperparameters: { ...config.hyperparameters, max_steps: steps } } as TrainerConfig;
  const hyperparameters = { ...recipe.hyperparameters, max_steps: steps };
  const bare: Trained[] = [];
  const under: Trained[] = [];
  const pairs = options.pairs ?? (options.quick ? 1 : PAIRS);
  for (let pair = 0; pair < pairs; pair += 1) {
    const turns = [
      async () => bare.push(await trainBare(python, long, plane.dir)),
      async () => under.push(await trainUnderAgent(plane, datasetId, hyperparameters)),
    ];
    for (const turn of pair % 2 === 0 ? turns : turns.reverse()) await turn();
    const told = (runs: Trained[]): string => `${(runs.at(-1)?.seconds ?? NaN).toFixed(2)} s`;
    options.say(`overhead: pair ${String(pair + 1)} of ${String(pairs)}: bare ${told(bare)}, agent ${told(under)}`);
  }
  return judge(bare, under, steps);
}

function judge(bare: Trained[], under: Trained[], steps: number): Result[] {
  const secondsOf = (runs: Trained[]): number[] => runs.map((one) => one.seconds);
  const ratio = median(secondsOf(under)) / median(secondsOf(bare));
  const ratios = under.map((one, index) => (one.seconds / (bare[index]?.seconds ?? NaN)).toFixed(4));
  const detail =
    `${String(steps)} steps of SFT; under the agent ${median(secondsOf(under)).toFixed(2)} s, bare ` +
    `${median(secondsOf(bare)).toFixed(2)} s, medians of ${String(bare.length)} interleaved pairs; pair by pair ${ratios.join(" ")}`;
  const [reference] = bare;
  const differing = [...bare, ...under].filter((one) => !reference || !areSame(one.losses, reference.losses, steps));
  const compared = `${String(steps)} losses of each of ${String(bare.length + under.length)} runs, ${String(differing.length)} runs differ`;
  return [
    atMost("overhead/ratio", ratio, "×", RATIO, detail),
    must("overhead/losses", "the same loss at every step, to the last bit", differing.length === 0, compared),
  ];
}

function areSame(a: Map<number, number>, b: Map<number, number>, steps: number): boolean {
  return a.size === steps && b.size === steps && [...a].every(([step, loss]) => b.get(step) === loss);
}

async function trainBare(python: string, config: TrainerConfig, dir: string): Promise<Trained> {
  const { lines } = await runBare(python, config, dir);
  const trained: Trained = { seconds: NaN, losses: new Map() };
  for (const { line } of lines) if (line.type === "metrics") note(trained, line.step, line.values);
  return trained;
}

const curve = z.object({
  metrics: z.array(z.object({ step: z.number(), values: z.record(z.string(), z.number()) })),
});

/** Losses are read after the end, so that nothing is compared with what was only on its way. */
async function trainUnderAgent(
  { client }: Plane,
  datasetId: string,
  hyperparameters: Record<string, unknown>,
): Promise<Trained> {
  const id = await createJob(client, { datasetId, hyperparameters });
  const trained: Trained = { seconds: NaN, losses: new Map() };
  for await (const { values } of followMetrics(client, id))
    trained.seconds = values["train_runtime"] ?? trained.seconds;
  await waitUntilCompleted(client, id, JOB_TIMEOUT_MS);
  const { metrics } = await client.get(`/anneal/v1/jobs/${id}/metrics?max_points=${String(MAX_POINTS)}`, curve);
  for (const { step, values } of metrics) note(trained, step, values);
  return trained;
}

function note(trained: Trained, step: number, values: Record<string, number>): void {
  trained.seconds = values["train_runtime"] ?? trained.seconds;
  if (values["loss"] !== undefined) trained.losses.set(step, values["loss"]);
}

function readRows(file: string): object[] {
  const lines = readFileSync(path.join(exampleDir, file), "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as object);
}

/** What ANNEAL_PYTHON names, so that whoever starts a trainer starts it on this core. */
function pinnedPython(dir: string, python: string, core: number): string {
  const file = path.join(dir, "pinned-python");
  writeFileSync(file, `#!/bin/sh\nexec taskset -c ${String(core)} ${python} "$@"\n`, { mode: 0o755 });
  return file;
}

/** Of this process, all its threads. */
async function setCores(cores: string): Promise<void> {
  const outcome = await run("taskset", ["-a", "-c", "-p", cores, String(process.pid)]);
  if (outcome.code !== 0) throw new Error(`taskset failed: ${outcome.stderr}`);
}
