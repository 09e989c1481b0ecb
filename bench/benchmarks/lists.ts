/** Whether a list knows how long it is: the first page of an account with 100,000 jobs against one with 100. */
import { z } from "zod";
import type { ApiClient } from "../../scripts/api";
import type { Benchmark } from "../benchmark";
import { createJob, uploadDataset } from "../jobs";
import { withPlane, type Plane } from "../plane";
import { atMost, type Result } from "../result";
import { percentile, sample, spread } from "../stats";

const FEW = 100;
const COPIES_A_REQUEST = 10_000;
const PAGE = 20;
const RATIO = 1.5;

export const lists: Benchmark = {
  name: "lists",
  what: "latency of the first page of a list with 100,000 jobs ÷ with 100",
  run: (options) =>
    withPlane(options, {}, async (plane): Promise<Result[]> => {
      const [many, rounds, perRound] = options.quick ? [5_000, 2, 20] : [100_000, 10, 50];
      const small = await accountWithJobs(plane, "few", FEW);
      const large = await accountWithJobs(plane, "many", many);
      options.say(`lists: ${String(many)} jobs are there`);
      const results: Result[] = [];
      for (const filter of ["", "&status=cancelled", "&method=sft_text"]) {
        const times = { few: [] as number[], many: [] as number[] };
        await sample(20, () => firstPage(small, filter));
        await sample(20, () => firstPage(large, filter));
        for (let round = 0; round < rounds; round += 1) {
          times.few.push(...(await sample(perRound, () => firstPage(small, filter))));
          times.many.push(...(await sample(perRound, () => firstPage(large, filter))));
        }
        const ratio = percentile(times.many, 0.5) / percentile(times.few, 0.5);
        const detail = `with ${String(many)} jobs ${spread(times.many)} ms; with ${String(FEW)} ${spread(times.few)} ms; interleaved`;
        results.push(atMost(`lists/${filter === "" ? "all" : filter.slice(1)}`, ratio, "×", RATIO, detail));
      }
      return results;
    }),
};

/** One real job, cancelled, and copies of its rows. */
async function accountWithJobs(plane: Plane, name: string, count: number): Promise<ApiClient> {
  const client = await plane.account(name);
  const datasetId = await uploadDataset(client, [{ prompt: "p", completion: "c" }]);
  const id = await createJob(client, { datasetId });
  await client.post(`/anneal/v1/jobs/${id}/cancel`, {}, z.object({ status: z.literal("cancelled") }));
  for (let from = 1; from < count; from += COPIES_A_REQUEST) {
    const copies = Math.min(COPIES_A_REQUEST, count - from);
    const path = `/bare/jobs/${id.replace("job_", "")}/copies?from=${String(from)}&count=${String(copies)}`;
    await client.post(path, {}, z.object({ made: z.literal(copies) }));
  }
  return client;
}

async function firstPage(client: ApiClient, filter: string): Promise<void> {
  const response = await client.send("GET", `/anneal/v1/jobs?limit=${String(PAGE)}${filter}`);
  const text = await response.text();
  const page = JSON.parse(text) as { data?: unknown[] };
  if (page.data?.length !== PAGE) throw new Error(`a page of ${String(page.data?.length)} jobs: ${text.slice(0, 200)}`);
}
