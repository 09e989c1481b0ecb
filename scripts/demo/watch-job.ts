/** Follows a job's live stream to its end with a bar, then reads its metrics. */
import { z } from "zod";
import type { ApiClient } from "../api";
import { startProgress } from "../progress";

const metricItem = z.object({ step: z.number(), values: z.record(z.string(), z.number()) });
const eventItem = z.object({ event_type: z.string(), metadata: z.record(z.string(), z.unknown()) });
const noticeItem = z.object({ message: z.string() });
const endItem = z.object({ status: z.string() });
const veriJob = z.object({ error: z.object({ code: z.string().nullable(), message: z.string() }).nullable() });

/** The most points that one answer has; the demo's jobs are far shorter. */
const MAX_POINTS = 10_000;
const metricsAnswer = z.object({ metrics: z.array(metricItem), latest_step: z.number().nullable() });

/** Throws unless the job completes. */
export async function watchJob(client: ApiClient, jobId: string, title: string, totalSteps: number): Promise<void> {
  const progress = startProgress(title, totalSteps);
  let status = "gone";
  let last = "";
  for await (const item of client.follow(`/v1/training_jobs/${jobId}/logs`)) {
    const data: unknown = JSON.parse(item.data);
    if (item.event === "metric") {
      const { step, values } = metricItem.parse(data);
      last = describe(values) || last;
      progress.update(step, last);
    } else if (item.event === "event") {
      const { event_type: type, metadata } = eventItem.parse(data);
      process.stderr.write(
        `  ${title}: ${type} ${Object.keys(metadata).length === 0 ? "" : JSON.stringify(metadata)}\n`,
      );
    } else if (item.event === "notice") {
      process.stderr.write(`  ${title}: ${noticeItem.parse(data).message}\n`);
    } else if (item.event === "end") {
      status = endItem.parse(data).status;
    }
  }
  progress.done(`${status}, ${last}`);
  if (status === "completed") return;
  const { error } = await client.get(`/v1/training_jobs/${jobId}`, veriJob);
  throw new Error(`${title} ended as ${status}: ${error?.message ?? "no reason given"}`);
}

function describe(values: Record<string, number>): string {
  return ["loss", "reward"]
    .filter((name) => values[name] !== undefined)
    .map((name) => `${name} ${(values[name] ?? 0).toFixed(3)}`)
    .join(" ");
}

export interface Curve {
  steps: number;
  first: number | null;
  last: number | null;
}

/** The means of a metric over the first and the last tenth of the steps; nulls when the job has no such metric. */
export async function readCurve(client: ApiClient, jobId: string, key: string): Promise<Curve> {
  const path = `/v1/training_jobs/${jobId}/metrics?keys=${key}&max_points=${String(MAX_POINTS)}`;
  const answer = await client.get(path, metricsAnswer);
  const values = answer.metrics.flatMap(({ values }) => (values[key] === undefined ? [] : [values[key]]));
  const tenth = Math.max(1, Math.floor(values.length / 10));
  return { steps: answer.latest_step ?? 0, first: mean(values.slice(0, tenth)), last: mean(values.slice(-tenth)) };
}

function mean(values: number[]): number | null {
  if (values.length === 0) return null;
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
