/** Metrics of a long run at 500 points, beside MLflow's tracking server with the same numbers on the same machine. */
import { z } from "zod";
import type { Benchmark, Options } from "../benchmark";
import { createJob, uploadDataset } from "../jobs";
import { Lease, metricsItem } from "../lease";
import { startMlflow, type Mlflow } from "../mlflow/server";
import { withPlane, type Plane } from "../plane";
import { atLeast, atMost, told, type Result } from "../result";
import { percentile, sample, spread } from "../stats";

/** As in bench/mlflow/load.py. */
const KEYS = ["loss", "grad_norm", "learning_rate"];
/** Besides them the run that logs every step has keys that most of its steps lack. */
const RARE = { rarely: 7, "eval/loss": 1000 } as const;
const POINTS = 500;
const STEPS_A_REPORT = 1000;
const P50_MS = 30;
const TIMES_FASTER = 20;
const EVERY = [1, 7] as const;

export const metrics: Benchmark = {
  name: "metrics",
  what: "metrics of a 1,000,000-step run at 500 points, beside MLflow's tracking server",
  run: (options) =>
    withPlane(options, {}, async (plane): Promise<Result[]> => {
      const steps = options.quick ? 20_000 : 1_000_000;
      const mlflow = await startMlflow(options.workDir, steps);
      options.say(`metrics: MLflow serves ${String(steps)} steps`);
      const results: Result[] = [];
      for (const every of EVERY) {
        const id = await ingest(plane, steps, every);
        options.say(`metrics: a job has ${String(steps)} steps, every ${String(every)} logged`);
        results.push(...(await compare({ plane, mlflow, id, every, steps }, options)));
        if (every === 1) results.push(...(await readRare(plane, id, steps)));
      }
      return results;
    }),
};

/** By HTTP, as an agent would. */
async function ingest(plane: Plane, steps: number, every: number): Promise<string> {
  const datasetId = await uploadDataset(plane.client, [{ prompt: "p", completion: "c" }]);
  const id = await createJob(plane.client, { datasetId });
  const lease = await Lease.claim(plane, id);
  let items: ReturnType<typeof metricsItem>[] = [];
  for (let step = 0; step < steps; step += every) {
    const keys = [...KEYS, ...rareKeysAt(step, every)];
    items.push(metricsItem(step, Object.fromEntries(keys.map((key, index) => [key, (index + 1) / (1 + step)]))));
    if (items.length < STEPS_A_REPORT && step + every < steps) continue;
    await lease.report(items);
    items = [];
  }
  lease.stop();
  return id;
}

function rareKeysAt(step: number, every: number): string[] {
  if (every !== 1) return [];
  return Object.entries(RARE).flatMap(([key, nth]) => (step % nth === 0 ? [key] : []));
}

interface Compared {
  plane: Plane;
  mlflow: Mlflow;
  id: string;
  every: 1 | 7;
  steps: number;
}

async function compare({ plane, mlflow, id, every, steps }: Compared, { quick }: Options): Promise<Result[]> {
  const rows = Math.ceil(steps / every);
  const run = mlflow.runs[every];
  const sampled = `${mlflow.url}/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?run_ids=${run}&metric_key=loss&max_results=${String(POINTS)}`;
  const whole = `${mlflow.url}/api/2.0/mlflow/metrics/get-history?run_id=${run}&metric_key=loss`;
  const ours = { one: [] as number[], all: [] as number[] };
  const theirs: number[] = [];
  const one = (): Promise<void> => readOurs(plane, id, "&keys=loss", lastStep(steps, every));
  const all = (): Promise<void> => readOurs(plane, id, "", lastStep(steps, every));
  for (const read of [one, all, () => readTheirs(sampled, lastStep(steps, every))]) await sample(3, read);
  for (let round = 0; round < (quick ? 2 : 10); round += 1) {
    ours.one.push(...(await sample(20, one)));
    ours.all.push(...(await sample(20, all)));
    theirs.push(...(await sample(quick ? 2 : 3, () => readTheirs(sampled, lastStep(steps, every)))));
  }
  const history = await sample(1, () => readText(whole));
  const name = `metrics/every-${String(every)}`;
  const size = `${String(rows)} rows of ${String(KEYS.length)} keys, at ${String(POINTS)} points`;
  const detail = `one key ${spread(ours.one)} ms; all keys ${spread(ours.all)} ms; ${size}`;
  const mlflowDetail = `MLflow's get-history-bulk-interval with max_results ${String(POINTS)}, which its pages call: ${spread(theirs)} ms; ours for the same key ${spread(ours.one)} ms`;
  return [
    atMost(`${name}-p50`, percentile(ours.one, 0.5), "ms", P50_MS, detail),
    atLeast(
      `${name}-than-mlflow`,
      percentile(theirs, 0.5) / percentile(ours.one, 0.5),
      "×",
      TIMES_FASTER,
      mlflowDetail,
    ),
    told(
      `${name}-mlflow-history`,
      history[0] ?? NaN,
      "ms",
      "MLflow's get-history, the whole key or its first page, once",
    ),
  ];
}

async function readRare(plane: Plane, id: string, steps: number): Promise<Result[]> {
  const results: Result[] = [];
  for (const [key, nth] of Object.entries(RARE)) {
    // Fewer than half of the points when the run is a short one.
    if (steps / nth < POINTS) continue;
    const read = (): Promise<void> => readOurs(plane, id, `&keys=${encodeURIComponent(key)}`, lastStep(steps, nth));
    await sample(3, read);
    const took = await sample(50, read);
    const detail = `${spread(took)} ms; a key that every ${String(nth)}th of ${String(steps)} rows has`;
    results.push(atMost(`metrics/key-of-every-${String(nth)}th`, percentile(took, 0.5), "ms", P50_MS, detail));
  }
  return results;
}

function lastStep(steps: number, every: number): number {
  return Math.floor((steps - 1) / every) * every;
}

const oursShape = z.object({ metrics: z.array(z.object({ step: z.number() })), latest_step: z.number() });

async function readOurs(plane: Plane, id: string, keys: string, last: number): Promise<void> {
  const response = await plane.client.send("GET", `/anneal/v1/jobs/${id}/metrics?max_points=${String(POINTS)}${keys}`);
  const { metrics: points } = oursShape.parse(JSON.parse(await response.text()));
  mustSpan(points, last, "ours");
}

const theirsShape = z.object({ metrics: z.array(z.object({ step: z.coerce.number().default(0) })) });

async function readTheirs(url: string, last: number): Promise<void> {
  const { metrics: points } = theirsShape.parse(JSON.parse(await readText(url)));
  mustSpan(points, last, "MLflow's");
}

async function readText(url: string): Promise<string> {
  const response = await fetch(url);
  const text = await response.text();
  if (!response.ok) throw new Error(`MLflow answered ${String(response.status)}: ${text.slice(0, 300)}`);
  return text;
}

/** An answer that left out half of the run would be no answer. */
function mustSpan(points: { step: number }[], last: number, whose: string): void {
  const isWhole = points.length > POINTS / 2 && points.length <= POINTS + 1;
  if (!isWhole || points[0]?.step !== 0 || points.at(-1)?.step !== last) {
    throw new Error(`${whose} answer has ${String(points.length)} points to step ${String(points.at(-1)?.step)}`);
  }
}
