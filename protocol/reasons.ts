/** Why an attempt or a job ended: a closed list (DESIGN §3). The class decides the retry; think before adding. */
import { z } from "zod";

/** The job's own fault: never retried. */
export const USER_REASONS = [
  "user_code",
  "invalid_dataset",
  "dataset_format_incompatible",
  "out_of_memory",
  "nan_loss",
  "reward_failure",
  "base_model_unavailable",
  "trainer_error",
  "no_checkpoint",
] as const;

/** The attempt's bad luck: retried from the last committed checkpoint. */
export const INFRA_REASONS = [
  "preempted",
  "host_lost",
  "agent_lost",
  "cuda_unavailable",
  "hang",
  "trainer_killed",
  "download_failed",
  "upload_failed",
  "setup_failed",
] as const;

/** Trouble in renting: the next offer, then a pause. */
export const CAPACITY_REASONS = ["no_capacity", "provider_error", "boot_timeout"] as const;

/** Somebody's decision. */
export const DECIDED_REASONS = ["budget_exhausted", "max_duration", "cancelled"] as const;

export const failureReason = z.enum([...USER_REASONS, ...INFRA_REASONS, ...CAPACITY_REASONS, ...DECIDED_REASONS]);
export type FailureReason = z.infer<typeof failureReason>;

/** What a trainer may say of its own end. */
export const trainerFailureReason = z.enum([...USER_REASONS, "cuda_unavailable", "download_failed"]);
export type TrainerFailureReason = z.infer<typeof trainerFailureReason>;
