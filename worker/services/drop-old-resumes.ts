/** Resume checkpoints beyond the newest `keep` go: their files, and their rows say `deleted`. */
import type { BlobStore, CheckpointStore, ManifestStore } from "../domain/ports";

export async function dropOldResumes(
  ports: { checkpoints: CheckpointStore; manifests: ManifestStore; blobs: BlobStore },
  jobId: string,
  keep: number,
): Promise<void> {
  const { checkpoints, manifests, blobs } = ports;
  for (const checkpoint of await checkpoints.resumesBeyond(jobId, keep)) {
    const manifest = await manifests.read(checkpoint);
    // Marked first: nobody may begin to read what is about to go. The manifest goes last, so a retry finds the rest.
    await checkpoints.markDeleted([checkpoint.id]);
    await blobs.delete([...manifest.files.map((file) => file.key), checkpoint.manifestKey]);
  }
}
