/**
 * What the reading of a checkpoint's large files has shown, taken in the job's object. A bad one is marked, and the
 * stream says so: a resume then takes the one before; of a bad final checkpoint nothing is served, and the job's status
 * stands. Safe to repeat.
 */
import type { BlobStore, CheckpointStore, Clock, JobLocal, Later, ManifestStore } from "../domain/ports";
import { dropOldResumes } from "./drop-old-resumes";

export interface VerdictPorts {
  jobId: string;
  local: JobLocal;
  checkpoints: CheckpointStore;
  manifests: ManifestStore;
  blobs: BlobStore;
  clock: Clock;
  later: Later;
}

/** `fault` is what is wrong with it; null: its bytes are those that were hashed. */
export async function checkpointVerdict(
  ports: VerdictPorts,
  checkpointId: string,
  fault: string | null,
): Promise<void> {
  const { checkpoints, jobId, local, later, clock } = ports;
  const checkpoint = await checkpoints.get(jobId, checkpointId);
  if (checkpoint?.state !== "committed") return;
  if (fault === null) {
    await checkpoints.markVerified(checkpointId);
    // Until now they were what training could have gone on from.
    if (checkpoint.kind === "final") later(dropOldResumes(ports, jobId, 0));
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
