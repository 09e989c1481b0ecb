/** Load on one URL, by autocannon as a process of its own, so that the load and the measuring share no event loop. */
import path from "node:path";
import { z } from "zod";
import { bin } from "../scripts/env";
import { run } from "../scripts/processes";

const report = z.object({
  requests: z.object({ average: z.number(), total: z.number() }),
  latency: z.object({ p50: z.number(), p99: z.number() }),
  errors: z.number(),
  timeouts: z.number(),
  non2xx: z.number(),
});
export type Load = { perSecond: number; p50Ms: number; p99Ms: number; requests: number };

/** Requests a second that were answered with 2xx; throws when any was not. */
export async function load(
  url: string,
  options: { connections: number; seconds: number; key?: string },
): Promise<Load> {
  const header = options.key === undefined ? [] : ["-H", `Authorization: Bearer ${options.key}`];
  const size = ["-c", String(options.connections), "-d", String(options.seconds)];
  const outcome = await run(path.join(bin, "autocannon"), ["-j", ...size, ...header, url]);
  if (outcome.code !== 0) throw new Error(`autocannon failed: ${outcome.stderr}`);
  const { requests, latency, errors, timeouts, non2xx } = report.parse(JSON.parse(outcome.stdout));
  if (errors + timeouts + non2xx > 0) {
    throw new Error(`${url}: ${String(errors)} errors, ${String(timeouts)} timeouts, ${String(non2xx)} refused`);
  }
  return { perSecond: requests.average, p50Ms: latency.p50, p99Ms: latency.p99, requests: requests.total };
}
