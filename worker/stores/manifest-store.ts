/** Checkpoint manifests in R2; a reader always holds them against the digest in D1. */
import { checkpointManifest, type CheckpointManifest } from "../../protocol";
import type { CheckpointRecord } from "../domain/artifacts";
import type { BlobStore, ManifestStore } from "../domain/ports";
import { sha256Hex } from "./digests";

/** A manifest of 1,000 files with 10,000 archive members stays below this. */
const MAX_MANIFEST_BYTES = 16 * 1024 * 1024;

export class R2ManifestStore implements ManifestStore {
  readonly #blobs: BlobStore;

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  async read(checkpoint: CheckpointRecord): Promise<CheckpointManifest> {
    const bytes = await this.#blobs.getBytes(checkpoint.manifestKey, MAX_MANIFEST_BYTES);
    if (!bytes) throw new Error(`the manifest of checkpoint ${checkpoint.id} is missing`);
    if ((await sha256Hex(bytes)) !== checkpoint.manifestSha256) {
      throw new Error(`the manifest of checkpoint ${checkpoint.id} is not the one that was committed`);
    }
    return checkpointManifest.parse(JSON.parse(new TextDecoder().decode(bytes)));
  }
}
