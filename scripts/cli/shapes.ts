/** What the CLI reads of the native dialect's answers; everything else passes through as it is. */
import { z } from "zod";

export const anything = z.record(z.string(), z.unknown());
export const anyList = z.object({ data: z.array(anything), has_more: z.boolean() });

const gpu = z.object({ type: z.string(), count: z.number() });

export const job = z.looseObject({
  id: z.string(),
  status: z.string(),
  method: z.string(),
  reason: z.object({ code: z.string(), message: z.string() }).nullable(),
  gpu: gpu.nullable(),
  spec: z.looseObject({
    hyperparameters: z.looseObject({ max_steps: z.number().nullable(), num_epochs: z.number() }),
  }),
});
export type Job = z.infer<typeof job>;

export const model = z.looseObject({ sha256: z.string(), url: z.string() });

export const created = z.looseObject({ id: z.string() });

export const account = z.object({ account_id: z.string(), project_id: z.string(), api_key: z.string() });
export const token = z.looseObject({ id: z.string(), token: z.string(), expires_at: z.string() });

export const streamMetric = z.object({ step: z.number(), values: z.record(z.string(), z.number()) });
export const streamLog = z.object({ timestamp: z.string(), line: z.string(), stream: z.string() });
export const streamEvent = z.object({ timestamp: z.string(), event_type: z.string(), metadata: anything });
export const streamNotice = z.object({ timestamp: z.string(), message: z.string() });
export const streamEnd = z.object({ status: z.string() });

export const FINAL_STATUSES = ["completed", "failed", "timed_out", "cancelled"];
