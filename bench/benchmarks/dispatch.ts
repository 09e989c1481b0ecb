/** From POST to a trainer process on an idle agent, by the direct wake; and to the first step, beside the bare trainer. */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { ApiClient } from "../../scripts/api";
import { preparePython } from "../../scripts/python-env";
import { startAgent, TIMING_TRAINER, until, type Agent } from "../agent";
import { copyConfig, runBare } from "../bare-trainer";
import type { Benchmark, Options } from "../benchmark";
import { createJob, followMetrics, uploadDataset, waitUntilCompleted } from "../jobs";
import { withPlane, type Plane } from "../plane";
import { atMost, type Result } from "../result";
import { median, percentile, spread } from "../stats";
import { timingScript } from "../timing-script";

const START_MS = 300;
const FIRST_STEP_SECONDS = 1;
/** An agent that has ended a task asks for the next, and is idle after the answer. */
const IDLE_AFTER_MS = 1_500;
const WARM_TIMEOUT_MS = 180_000;
const JOB_TIMEOUT_MS = 300_000;

export const dispatch: Benchmark = {
  name: "dispatch",
  what: "POST job → trainer process on an idle agent; → first step, beside the bare trainer",
  async run(options) {
    const python = await preparePython();
    return [await processStart(options, python), ...(await firstStep(options, python))];
  },
};

function processStart(options: Options, python: string): Promise<Result> {
  return withPlane(options, {}, async ({ client, ...plane }) => {
    const jobs = options.quick ? 5 : 32;
    const datasetId = await uploadDataset(client, timingScript({ steps: 1, mean_ms: 0 }));
    await startAgent({ client, ...plane }, { name: "timing", env: { ...TIMING_TRAINER, ANNEAL_PYTHON: python } });
    const samples: number[] = [];
    for (let n = 0; n < jobs + 2; n += 1) {
      await sleep(IDLE_AFTER_MS + 500 * Math.random());
      const postedAtMs = Date.now();
      const id = await createJob(client, { datasetId });
      await waitUntilCompleted(client, id, JOB_TIMEOUT_MS);
      if (n >= 2) samples.push((await processStartedAtMs(client, id)) - postedAtMs);
    }
    const detail = `${spread(samples)} ms; the process is there when its interpreter runs its first line`;
    return atMost("dispatch/process-p50", percentile(samples, 0.5), "ms", START_MS, detail);
  });
}

const startStamp = z.object({ metrics: z.array(z.object({ values: z.object({ process_started_ms: z.number() }) })) });

async function processStartedAtMs(client: ApiClient, id: string): Promise<number> {
  const { metrics } = await client.get(`/anneal/v1/jobs/${id}/metrics`, startStamp);
  const [first] = metrics;
  if (!first) throw new Error("the timing trainer told nothing");
  return first.values.process_started_ms;
}

const STEPS = { max_steps: 3, batch_size: 4, global_batch_size: 4, max_seq_length: 32 };

/** Cold: imports at every job. Warm: an idle agent has a process with its imports done. Interleaved with the bare one. */
async function firstStep(options: Options, python: string): Promise<Result[]> {
  const rounds = options.quick ? 1 : 5;
  const results: Result[] = [];
  for (const warm of [false, true]) {
    const { bare, agent } = await withPlane(options, {}, (plane) => firstSteps(plane, python, warm, rounds));
    const extra = (median(agent) - median(bare)) / 1000;
    const detail =
      `POST to first step ${(median(agent) / 1000).toFixed(2)} s, bare trainer from its start ` +
      `${(median(bare) / 1000).toFixed(2)} s, medians of ${String(rounds)}; ANNEAL_WARM_TRAINER=${warm ? "1" : "0"}`;
    results.push(atMost(`dispatch/first-step-${warm ? "warm" : "cold"}`, extra, "s", FIRST_STEP_SECONDS, detail));
    options.say(`dispatch: ${detail}`);
  }
  return results;
}

async function firstSteps(plane: Plane, python: string, warm: boolean, rounds: number) {
  const { client, dir } = plane;
  const rows = Array.from({ length: 64 }, (_, n) => ({ prompt: `${String(n)}+1=`, completion: String(n + 1) }));
  const datasetId = await uploadDataset(client, rows);
  const env = { ANNEAL_PYTHON: python, ANNEAL_WARM_TRAINER: warm ? "1" : "0" };
  const agent = await startAgent(plane, { name: "real", env });
  // One more before, for the files of Python in the page cache and for the config.
  const first = await createJob(client, { datasetId, hyperparameters: STEPS });
  const config = await copyConfig(agent, dir);
  await waitUntilCompleted(client, first, JOB_TIMEOUT_MS);
  const times = { bare: [] as number[], agent: [] as number[] };
  for (let round = 0; round < rounds; round += 1) {
    const { spawnedAtMs, lines } = await runBare(python, config, dir);
    const step = lines.find(({ line }) => line.type === "metrics");
    times.bare.push((step?.atMs ?? Infinity) - spawnedAtMs);
    if (warm) await until("a warm trainer", WARM_TIMEOUT_MS, () => (hasWarmTrainer(agent) ? true : null));
    await sleep(IDLE_AFTER_MS);
    const postedAtMs = Date.now();
    const id = await createJob(client, { datasetId, hyperparameters: STEPS });
    times.agent.push((await firstStepAtMs(client, id)) - postedAtMs);
    await waitUntilCompleted(client, id, JOB_TIMEOUT_MS);
  }
  return times;
}

/** One has become warm since the last task ended. */
function hasWarmTrainer(agent: Agent): boolean {
  const log = agent.log();
  return log.lastIndexOf("a trainer is warm") > log.lastIndexOf(": ends, ");
}

async function firstStepAtMs(client: ApiClient, id: string): Promise<number> {
  for await (const { atMs } of followMetrics(client, id)) return atMs;
  throw new Error(`job ${id} ended without a step`);
}
