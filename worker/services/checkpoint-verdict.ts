/**
 * What the reading of a checkpoint's large files has shown, taken in the job's object. A bad one is marked, and the
 * stream says so: a resume then takes the one before; of a bad final checkpoint nothing is served, and the job's status
 * stands. Safe to repeat.
 */
import type { BegunStore, BlobStore, CheckpointStore, Clock, JobLocal, ManifestStore } from "../domain/ports";
import { dropResumesBehind } from "./drop-old-resumes";

export interface VerdictPorts {
  jobId: string;
  local: JobLocal;
  checkpoints: CheckpointStore;
  begun: BegunStore;
  manifests: ManifestStore;
  blobs: BlobStore;
  clock: Clock;
}

/** `fault` is what is wrong with it; null: its bytes are those that were hashed. */
export async function checkpointVerdict(
  ports: VerdictPorts,
  checkpointId: string,
  fault: string | null,
): Promise<void> {
  const { checkpoints, jobId, local, clock } = ports;
  const checkpoint = await checkpoints.get(jobId, checkpointId);
  if (checkpoint?.state !== "committed") return;
  if (fault === null) {
    // Until now they were what training could have gone on from. Marked last: until then the sweep asks again.
    if (checkpoint.kind === "final") await dropResumesBehind(ports, { ...checkpoint, verifyAfterMs: null });
    await checkpoints.markVerified(checkpointId);
    return;
  }
  const { kind, step, attempt } = checkpoint;
  const message = `the ${kind} checkpoint of step ${String(step)} is bad: ${fault}; it is not used any more`;
  console.error("a checkpoint is bad", jobId, checkpointId, message);
  await checkpoints.markBad(checkpointId);
  local.transaction(() => {
    local.appendNotice(attempt, message, clock.nowMs());
  });
}
