/**
 * Each minute, a bounded look at what nobody will come back for: upload sessions whose alarm was lost, checkpoints that
 * were begun 7 days ago and never committed, what a crash left of superfluous ones, and large files that are still to be read again. D1 names them by index;
 * no bucket is ever listed but below the one key that a begin has made.
 */
import { VERIFY_AGAIN_MS } from "../domain/artifacts";
import type { BegunStore, BlobStore, CheckpointStore, Clock, ManifestStore, VerifyQueue } from "../domain/ports";
import type { UploadSessions, UploadStore } from "../domain/upload-ports";
import { attempted } from "./attempted";
import { dropResumesBehind } from "./drop-old-resumes";

const ORPHAN_AFTER_MS = 7 * 24 * 60 * 60 * 1000;
/** An upload's own alarm comes first. */
const ALARM_GRACE_MS = 10 * 60_000;
/** Of each kind, a minute. */
const MAX_SWEPT = 50;

export interface SweepBytesPorts {
  uploads: UploadStore;
  sessions: UploadSessions;
  begun: BegunStore;
  checkpoints: CheckpointStore;
  manifests: ManifestStore;
  blobs: BlobStore;
  verifyQueue: VerifyQueue;
  clock: Clock;
}

export async function sweepBytes(ports: SweepBytesPorts): Promise<void> {
  const nowMs = ports.clock.nowMs();
  await attempted("files to be read again", nameUnverified(ports, nowMs));
  for (const id of await ports.uploads.overdue(nowMs - ALARM_GRACE_MS, MAX_SWEPT)) {
    await attempted(`upload ${id}`, ports.sessions.of(id).expire(id));
  }
  for (const begun of await ports.begun.before(nowMs - ORPHAN_AFTER_MS, MAX_SWEPT)) {
    await attempted(`checkpoint ${begun.checkpointId}`, dropIfOrphan(ports, begun));
  }
}

async function nameUnverified({ checkpoints, verifyQueue }: SweepBytesPorts, nowMs: number): Promise<void> {
  const due = await checkpoints.takeUnverified(nowMs, nowMs + VERIFY_AGAIN_MS, MAX_SWEPT);
  await verifyQueue.sendMany(due.map(({ id, jobId }) => ({ jobId, checkpointId: id, file: 0 })));
}

/** Never committed, or superfluous since: its files go. Of one that counts, what its commit had still to do is done. */
async function dropIfOrphan(
  ports: SweepBytesPorts,
  { checkpointId, jobId, prefix }: { checkpointId: string; jobId: string; prefix: string },
): Promise<void> {
  const { begun, checkpoints, blobs } = ports;
  const committed = await checkpoints.get(jobId, checkpointId);
  if (committed?.state === "committed") await dropResumesBehind(ports, committed);
  if (committed === null || committed.state === "deleted") {
    await blobs.deletePrefix(prefix);
    await blobs.deletePrefix(`ckpt/${jobId}/manifests/${checkpointId}-`);
  }
  await begun.remove(checkpointId);
}
