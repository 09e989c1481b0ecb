/** How old a metric is when a subscriber has it: trainer → agent → worker → job's object → SSE. */
import path from "node:path";
import { root } from "../../scripts/env";
import { preparePython } from "../../scripts/python-env";
import { run } from "../../scripts/processes";
import { startAgent, TIMING_TRAINER } from "../agent";
import type { Benchmark, Options } from "../benchmark";
import { createJob, uploadDataset } from "../jobs";
import { withPlane } from "../plane";
import { atMost, must, type Result } from "../result";
import { percentile, spread } from "../stats";
import type { Ages } from "../subscribers";
import { timingScript } from "../timing-script";

const MEAN_INTERVAL_MS = 100;
/** The agent learns that somebody listens from the answer to its first report. */
const WARM_UP_STEPS = 20;

export const eventLag: Benchmark = {
  name: "event-lag",
  what: "from the trainer's line to an SSE subscriber, 1 and 200 of them",
  async run(options) {
    const steps = options.quick ? 80 : 620;
    const one = await agesOf(options, 1, steps);
    const many = await agesOf(options, options.quick ? 20 : 200, steps);
    const about = `${String(steps - WARM_UP_STEPS)} metrics at random times, every ${String(MEAN_INTERVAL_MS)} ms on average`;
    const all = (given: Observed): string =>
      `${spread(given.ages)} ms, max ${Math.max(...given.ages).toFixed(0)}, ${String(given.subscribers)} subscriber(s); ${about}`;
    return [
      atMost("event-lag/1-subscriber-p50", percentile(one.ages, 0.5), "ms", 100, all(one)),
      atMost("event-lag/1-subscriber-p99", percentile(one.ages, 0.99), "ms", 250, all(one)),
      atMost(
        `event-lag/${String(many.subscribers)}-subscribers-p99`,
        percentile(many.ages, 0.99),
        "ms",
        400,
        all(many),
      ),
      complete(one, many, steps - WARM_UP_STEPS),
    ];
  },
};

interface Observed {
  subscribers: number;
  ages: number[];
}

/** The subscribers are there before the agent is, so that none misses a step. */
function agesOf(options: Options, subscribers: number, steps: number): Promise<Observed> {
  return withPlane(options, {}, async (plane) => {
    const datasetId = await uploadDataset(plane.client, timingScript({ steps, mean_ms: MEAN_INTERVAL_MS }));
    const id = await createJob(plane.client, { datasetId });
    const python = await preparePython();
    const connected = Promise.withResolvers<null>();
    const args = ["--import", "tsx", path.join(root, "bench", "subscribers.ts"), plane.url, id, String(subscribers)];
    const reading = run(process.execPath, args, {
      env: { ANNEAL_API_KEY: plane.apiKey },
      onLine: (line) => {
        if (line === "connected") connected.resolve(null);
      },
    });
    await Promise.race([connected.promise, reading]);
    options.say(`event-lag: ${String(subscribers)} subscriber(s) connected`);
    await startAgent(plane, { name: "timing", env: { ...TIMING_TRAINER, ANNEAL_PYTHON: python } });
    const outcome = await reading;
    if (outcome.code !== 0) throw new Error(`the subscribers failed: ${outcome.stderr}`);
    const { ages } = JSON.parse(outcome.stdout.trim().split("\n").at(-1) ?? "") as Ages;
    return { subscribers, ages: ages.filter(({ step }) => step > WARM_UP_STEPS).map(({ ms }) => ms) };
  });
}

/** A lag over those that came says nothing when some did not. */
function complete(one: Observed, many: Observed, steps: number): Result {
  const holds = [one, many].every(({ ages, subscribers }) => ages.length === steps * subscribers);
  const detail = `${String(one.ages.length)} and ${String(many.ages.length)} items were read`;
  return must("event-lag/complete", "every subscriber has every step once", holds, detail);
}
