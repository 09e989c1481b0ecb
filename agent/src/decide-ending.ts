/** How a task ends, from what is known when its trainer is gone and its uploads are done. Pure; order is precedence. */
import type { FailureReason, FinishRequest, ReleaseRequest } from "../../protocol";
import type { Wish } from "./task-control";
import type { TaskRecord } from "./task-record";
import type { TrainerExit } from "./trainer-process";

export type Ending =
  | { readonly kind: "finish"; readonly body: FinishRequest }
  | { readonly kind: "release"; readonly body: ReleaseRequest }
  | { readonly kind: "lost" };

export interface EndOfTraining {
  readonly wish: Wish;
  readonly exit: TrainerExit;
  readonly record: Pick<TaskRecord, "finished" | "stopped" | "failed">;
  readonly hasFinal: boolean;
  readonly uploadFailure: Error | null;
  /** What the watch over hangs said before the trainer was killed for it. */
  readonly hang: string | null;
  readonly logTail: readonly string[];
}

export function decideEnding(end: EndOfTraining): Ending {
  const { wish, exit, record, logTail } = end;
  const fail = (reason: FailureReason, message: string): Ending => failedEnding(reason, message, logTail);
  if (wish === "lost") return { kind: "lost" };
  if (wish === "cancel") return cancelledEnding();
  if (record.failed) return fail(record.failed.reason, record.failed.message);
  if (end.uploadFailure) return fail("upload_failed", `a checkpoint could not be stored: ${end.uploadFailure.message}`);
  if (record.finished) {
    const { step, early_stopped, best_step } = record.finished;
    if (end.hasFinal) return { kind: "finish", body: { outcome: "completed", step, early_stopped, best_step } };
    return fail("no_checkpoint", "the trainer finished without a final checkpoint");
  }
  if (record.stopped || ((wish === "drain" || wish === "pause") && exit.asked)) return releasedEnding(wish);
  if (end.hang !== null) return fail("hang", end.hang);
  if (exit.signal) return fail("trainer_killed", `the trainer was killed by ${exit.signal}`);
  if (exit.code !== 0) return fail("trainer_error", `the trainer exited with code ${exit.code}; see its last lines`);
  return fail("no_checkpoint", "the trainer exited without a word of how it ended, and without a model");
}

export function failedEnding(reason: FailureReason, message: string, logTail: readonly string[]): Ending {
  return {
    kind: "finish",
    body: { outcome: "failed", reason, message: message.slice(0, 4000), log_tail: [...logTail] },
  };
}

/** Of a task that was asked to stop before it had an end of its own. */
export function endingOfWish(wish: Wish): Ending {
  if (wish === "lost") return { kind: "lost" };
  return wish === "cancel" ? cancelledEnding() : releasedEnding(wish);
}

function cancelledEnding(): Ending {
  return { kind: "finish", body: { outcome: "cancelled" } };
}

function releasedEnding(wish: Wish): Ending {
  const message = wish === "pause" ? "paused as asked" : "the agent is being stopped";
  return { kind: "release", body: { reason: "preempted", message } };
}

export function setupFailedEnding(message: string): Ending {
  return { kind: "release", body: { reason: "setup_failed", message: message.slice(0, 4000) } };
}
