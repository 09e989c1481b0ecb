/** What auth, validation and mapping cost: GET one job against a bare Hono route with one D1 select, in the same worker. */
import { load } from "../autocannon";
import type { Benchmark } from "../benchmark";
import { createJob, uploadDataset } from "../jobs";
import { withPlane } from "../plane";
import { atLeast, type Result } from "../result";
import { median } from "../stats";

const CONNECTIONS = 8;
const RATIO = 0.7;

export const getJob: Benchmark = {
  name: "get-job",
  what: "requests a second of GET one job ÷ a bare route with one D1 select",
  run: (options) =>
    withPlane(options, {}, async (plane): Promise<Result[]> => {
      const [rounds, seconds] = options.quick ? [1, 1] : [7, 5];
      const datasetId = await uploadDataset(plane.client, [{ prompt: "p", completion: "c" }]);
      const id = await createJob(plane.client, { datasetId });
      const routes = {
        job: { url: `${plane.url}/anneal/v1/jobs/${id}`, key: plane.apiKey },
        bare: { url: `${plane.url}/bare/jobs/${id.replace("job_", "")}` },
        hello: { url: `${plane.url}/bare/hello` },
      };
      const rates = { job: [] as number[], bare: [] as number[], hello: [] as number[] };
      const names = ["job", "bare", "hello"] as const;
      for (const name of names) await load(routes[name].url, { connections: CONNECTIONS, seconds: 1, ...routes[name] });
      for (let round = 0; round < rounds; round += 1) {
        for (const name of round % 2 === 0 ? names : [...names].reverse()) {
          const { perSecond } = await load(routes[name].url, { connections: CONNECTIONS, seconds, ...routes[name] });
          rates[name].push(perSecond);
        }
        options.say(`get-job: round ${String(round + 1)} of ${String(rounds)}`);
      }
      const [job, bare, hello] = [median(rates.job), median(rates.bare), median(rates.hello)];
      // The simulator's own time for any request is in all three: without it the comparison is harder.
      const without = (rate: number): number => 1 / rate - 1 / hello;
      const detail =
        `${job.toFixed(0)}/s ÷ ${bare.toFixed(0)}/s, medians of ${String(rounds)} interleaved rounds of ${String(seconds)} s ` +
        `with ${String(CONNECTIONS)} connections; a route that does nothing: ${hello.toFixed(0)}/s, ` +
        `and beyond its time the ratio is ${(without(bare) / without(job)).toFixed(2)}`;
      return [atLeast("get-job/ratio", job / bare, "×", RATIO, detail)];
    }),
};
