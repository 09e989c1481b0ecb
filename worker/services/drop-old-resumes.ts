/** Resume checkpoints that nobody goes on from any more: their files go, and their rows say `deleted`. */
import type { CheckpointKind } from "../../protocol";
import type { CheckpointRecord } from "../domain/artifacts";
import type { BegunStore, BlobStore, CheckpointStore, ManifestStore } from "../domain/ports";

/** The newest two are enough should the newest prove bad. */
const RESUME_CHECKPOINTS_KEPT = 2;

export interface DropPorts {
  checkpoints: CheckpointStore;
  begun: BegunStore;
  manifests: ManifestStore;
  blobs: BlobStore;
}

/** What a committed checkpoint makes superfluous. A final one that may still prove bad leaves what to go on from. */
export async function dropResumesBehind(
  ports: DropPorts,
  { jobId, kind, verifyAfterMs }: Pick<CheckpointRecord, "jobId" | "verifyAfterMs"> & { kind: CheckpointKind },
): Promise<void> {
  if (kind === "epoch" || kind === "test") return;
  const keep = kind === "final" && verifyAfterMs === null ? 0 : RESUME_CHECKPOINTS_KEPT;
  const { checkpoints, manifests } = ports;
  for (const checkpoint of await checkpoints.resumesBeyond(jobId, keep)) {
    const { files } = await manifests.read(checkpoint);
    // Marked first: nobody may begin to read what is about to go. The same batch notes the files for the sweep.
    const key = files[0]?.key ?? "";
    await checkpoints.markDeleted(checkpoint, key.slice(0, key.lastIndexOf("/") + 1));
    await ports.blobs.delete([...files.map((file) => file.key), checkpoint.manifestKey]);
    await ports.begun.remove(checkpoint.id);
  }
}
