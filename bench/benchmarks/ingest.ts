/** Durable metric ingest by HTTP: an answered report is in the object's SQLite. One job, one report at a time, as an agent does it. */
import type { Benchmark } from "../benchmark";
import { createJob, uploadDataset } from "../jobs";
import { Lease, metricsItem } from "../lease";
import { withPlane } from "../plane";
import { atLeast, type Result } from "../result";
import { spread } from "../stats";

const STEPS_A_REPORT = 1000;
const KEYS = ["loss", "grad_norm", "learning_rate", "mean_token_accuracy", "num_tokens"];
const WARM_UP_REPORTS = 5;
const POINTS_PER_SECOND = 20_000;

export const ingest: Benchmark = {
  name: "ingest",
  what: "metric points a second, reports of 1,000 steps × 5 keys over HTTP, durable",
  run: (options) =>
    withPlane(options, {}, async (plane): Promise<Result[]> => {
      const reports = options.quick ? 10 : 100;
      const datasetId = await uploadDataset(plane.client, [{ prompt: "p", completion: "c" }]);
      const lease = await Lease.claim(plane, await createJob(plane.client, { datasetId }));
      const samples: number[] = [];
      let startedAtMs = 0;
      for (let n = 0; n < WARM_UP_REPORTS + reports; n += 1) {
        const items = Array.from({ length: STEPS_A_REPORT }, (_, i) => point(n * STEPS_A_REPORT + i));
        const sentAtMs = performance.now();
        if (n === WARM_UP_REPORTS) startedAtMs = sentAtMs;
        await lease.report(items);
        if (n >= WARM_UP_REPORTS) samples.push(performance.now() - sentAtMs);
      }
      const seconds = (performance.now() - startedAtMs) / 1000;
      lease.stop();
      const points = reports * STEPS_A_REPORT * KEYS.length;
      const detail =
        `${String(points)} points in ${seconds.toFixed(2)} s, one report after another; ` +
        `a report took ${spread(samples)} ms; the time to build it is counted`;
      return [atLeast("ingest/points", points / seconds, "points/s", POINTS_PER_SECOND, detail)];
    }),
};

function point(step: number) {
  return metricsItem(step, Object.fromEntries(KEYS.map((key, index) => [key, (index + 1) / (1 + step)])));
}
