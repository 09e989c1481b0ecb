/** Training sessions and their jobs on the wire, as the contract's examples have them. */
import { z } from "@hono/zod-openapi";
import { SESSION_STATUSES } from "../../domain/training-sessions";
import { actor, environmentRef, offsetParams, text, timestamp } from "./schema";

export const TRAINING_JOB_STATUSES = ["pending", "running", "completed", "failed", "cancelled"] as const;
export type TrainingJobStatus = (typeof TRAINING_JOB_STATUSES)[number];

export const createSession = z.strictObject({
  name: text,
  env: text.openapi({ description: "The id of the environment to train in." }),
  model: text.openapi({
    description: "A model that the environment lists as trainable, a Hugging Face id, or `job_<id>` of a training job.",
  }),
});

export const sessionListQuery = z.object({
  ...offsetParams({ defaultLimit: 100, maxLimit: 1000 }),
  status: z.enum(SESSION_STATUSES).optional().openapi({ description: "Only sessions of this status." }),
});

export const sessionRunsQuery = z.object(offsetParams({ defaultLimit: 100, maxLimit: 1000 }));

export const addRuns = z.strictObject({ runs: z.array(z.string()).min(1) });
export const setDataset = z.strictObject({
  dataset: text.openapi({
    description:
      "`default` is what build has made; else a dataset's name in the project (the newest of it) or its `ds_` id.",
  }),
});

export const trainingJob = z
  .object({
    id: z.string(),
    status: z.enum(TRAINING_JOB_STATUSES),
    details: z.string().optional().openapi({ description: "What the status does not say, such as why it failed." }),
    model: z
      .string()
      .optional()
      .openapi({ description: "When it has completed: what another session can train on from." }),
    created_at: timestamp,
    updated_at: timestamp,
  })
  .openapi("TrainingJob");

const session = {
  id: z.string(),
  project: z.string(),
  name: z.string(),
  env: environmentRef,
  model: z.string(),
  status: z.enum(SESSION_STATUSES),
};
const sessionTail = {
  dataset: z.string().nullable().openapi({ description: "The id of the dataset that it trains on." }),
  job: z.union([trainingJob, z.strictObject({})]),
  created_by: actor,
  updated_by: actor,
  created_at: timestamp,
  updated_at: timestamp,
};

export const trainingSession = z
  .object({ ...session, runs: z.array(z.string()), ...sessionTail })
  .openapi("TrainingSession");
export const trainingSessionRefs = z.array(z.object({ ...session, ...sessionTail }).openapi("TrainingSessionRef"));
export const sessionNames = z.array(z.object({ id: z.string(), name: z.string() }));

export const ok = z.object({ ok: z.literal(true) });
export const datasetUrl = z.object({ dataset: z.string() });
export const builtDataset = datasetUrl.extend({
  rows: z.int().openapi({ description: "Runs that are rows now." }),
  skipped: z.int().openapi({ description: "Runs left out: not completed, or without a result to learn." }),
});
export const dataUrl = z.object({ url: z.string() });
