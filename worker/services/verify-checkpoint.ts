/**
 * Reads a committed checkpoint's large files once more and holds them against their SHA-256 (design/bytes.md): the
 * commit took the etag's word for them. One file a message, so that no invocation reads more than that; D1 says which
 * checkpoints still wait for it, so a lost message costs delay. The verdict is the job's object's to take.
 */
import { READ_BACK_MAX_BYTES } from "../domain/artifacts";
import type { BlobStore, CheckpointStore, JobDoors, ManifestStore, VerifyMessage, VerifyQueue } from "../domain/ports";

export interface VerifyPorts {
  checkpoints: CheckpointStore;
  manifests: ManifestStore;
  blobs: BlobStore;
  doors: JobDoors;
  verifyQueue: VerifyQueue;
  digestOf: (bytes: ReadableStream<Uint8Array>) => Promise<{ sha256: string; sizeBytes: number }>;
}

export async function verifyCheckpoint(ports: VerifyPorts, message: VerifyMessage): Promise<void> {
  const { jobId, checkpointId, file: index } = message;
  const checkpoint = await ports.checkpoints.get(jobId, checkpointId);
  if (checkpoint?.state !== "committed" || checkpoint.verifyAfterMs === null) return;
  const manifest = await ports.manifests.read(checkpoint);
  const large = manifest.files.filter(({ size }) => size > READ_BACK_MAX_BYTES);
  const file = large[index];
  const door = ports.doors.of(jobId);
  if (!file) return door.checkpointVerdict(checkpointId, null);
  const stored = await ports.blobs.read(file.key, 0, file.size);
  const found = stored === null ? "is gone" : await faultOf(ports, stored, file.sha256);
  if (found !== null) return door.checkpointVerdict(checkpointId, `its file ${file.path} ${found}`);
  if (index + 1 === large.length) return door.checkpointVerdict(checkpointId, null);
  await ports.verifyQueue.sendMany([{ ...message, file: index + 1 }]);
}

async function faultOf(
  ports: VerifyPorts,
  stored: ReadableStream<Uint8Array>,
  expected: string,
): Promise<string | null> {
  const { sha256 } = await ports.digestOf(stored);
  return sha256 === expected ? null : `has the SHA-256 ${sha256} in storage, not ${expected}`;
}
