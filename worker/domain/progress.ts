/** How much of a job's work is done, from what its trainers tell. Pure; the job's object keeps the facts. */
import type { DataItem } from "../../protocol";
import type { JobStatus } from "./job-status";

/** What the last attempt has told, and what of the job's work an attempt after it would not do again. */
export interface WorkDone {
  attempt: number;
  step: number;
  /** Epochs done, as the trainer counts them. */
  epoch: number;
  /** 0 until a trainer has told it. */
  totalSteps: number;
  /** Checkpoints that the attempt has tested, of those that it is to test: 0 before it begins. */
  tested: number;
  tests: number;
  /** Tests that were committed before the attempt. */
  testedBefore: number;
  savedStep: number;
  savedTests: number;
}

export const NO_WORK: WorkDone = {
  attempt: 0,
  step: 0,
  epoch: 0,
  totalSteps: 0,
  tested: 0,
  tests: 0,
  testedBefore: 0,
  savedStep: 0,
  savedTests: 0,
};

/** Of a job with tests the training is so many percent. */
const TRAINING_PERCENT = 90;
const MAX_BEFORE_END = 99;

/** The same object when `items` say nothing of it. Within an attempt nothing is taken back. */
export function workAfter(before: WorkDone, attempt: number, items: readonly DataItem[]): WorkDone {
  let work = before;
  for (const item of items) {
    if (item.type !== "started" && item.type !== "progress" && item.type !== "testing") continue;
    if (work.attempt !== attempt) work = beginning(work, attempt);
    if (item.type === "started") work = { ...work, step: item.resumed_from_step, totalSteps: item.total_steps };
    if (item.type === "progress") {
      const { step, epoch } = item.step < work.step ? work : item;
      work = { ...work, step, epoch, totalSteps: item.total_steps };
    }
    if (item.type === "testing") work = { ...work, tested: Math.max(work.tested, item.done), tests: item.total };
  }
  return work;
}

/** After a commit: what is saved is not done again. */
export function workSaved(before: WorkDone, kind: unknown, step: unknown): WorkDone {
  if (kind === "resume" && typeof step === "number") return { ...before, savedStep: step };
  // Its step may be that of the best weights; whatever it is, the training is over.
  if (kind === "final") return { ...before, savedStep: before.totalSteps };
  return kind === "test" ? { ...before, savedTests: before.savedTests + 1 } : before;
}

/** A whole percentage: 100 of a completed job, and of no other. */
export function percentDone(job: { status: JobStatus; attempt: number; hasTests: boolean }, known: WorkDone): number {
  if (job.status === "completed") return 100;
  const work = known.attempt === job.attempt ? known : beginning(known, job.attempt);
  const share = job.hasTests ? TRAINING_PERCENT : 100;
  const percent = work.tests === 0 ? trainedPercent(work, share) : share + testedPercent(work, 100 - share);
  return Math.min(MAX_BEFORE_END, Math.floor(percent));
}

function beginning(last: WorkDone, attempt: number): WorkDone {
  const { totalSteps, savedStep, savedTests } = last;
  // Epochs have equally many steps.
  const epoch = last.step === 0 ? 0 : (last.epoch * savedStep) / last.step;
  return { ...NO_WORK, attempt, step: savedStep, epoch, totalSteps, savedStep, savedTests, testedBefore: savedTests };
}

function trainedPercent({ step, totalSteps }: WorkDone, share: number): number {
  return totalSteps === 0 ? 0 : (share * Math.min(step, totalSteps)) / totalSteps;
}

function testedPercent({ tested, tests, testedBefore }: WorkDone, share: number): number {
  return (share * (testedBefore + Math.min(tested, tests))) / (testedBefore + tests);
}
