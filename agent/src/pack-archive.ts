/**
 * A folder (a model, an adapter, a tokenizer, tokenised data) as one `tar.gz`, the same bytes for the same files wherever
 * it is packed: sorted names, no times, owners or modes of the machine, stored blocks. Says where each file lies in the tar.
 */
import { createReadStream, createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { pack, type Pack } from "tar-stream";
import type { ArchiveMember } from "../../protocol";
import type { FolderFile } from "./list-folder";
import { StoredGzip } from "./stored-gzip";

const TAR_BLOCK_BYTES = 512;
/** Longer or other names would need extension headers, which would move the offsets; no model's file has one. */
const PLAIN_NAME = /^[\x21-\x7e]{1,100}$/;

export async function packArchive(
  files: readonly FolderFile[],
  archivePath: string,
  signal: AbortSignal,
): Promise<ArchiveMember[]> {
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
  const tar = pack();
  const written = pipeline(tar, new StoredGzip(), createWriteStream(archivePath), { signal });
  const added = addFiles(tar, sorted, signal).catch((error: unknown) => {
    tar.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  });
  const [members] = await Promise.all([added, written]);
  return members;
}

async function addFiles(tar: Pack, files: readonly FolderFile[], signal: AbortSignal): Promise<ArchiveMember[]> {
  const members: ArchiveMember[] = [];
  let offset = 0;
  for (const { path, localPath, size } of files) {
    if (!PLAIN_NAME.test(path)) throw new Error(`${path} is no name for a file of an archive`);
    const entry = tar.entry({ name: path, size, mode: 0o644, uid: 0, gid: 0, mtime: new Date(0), type: "file" });
    await pipeline(createReadStream(localPath), entry, { signal });
    members.push({ path, tar_offset: offset + TAR_BLOCK_BYTES, size });
    offset += TAR_BLOCK_BYTES + Math.ceil(size / TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES;
  }
  tar.finalize();
  return members;
}
