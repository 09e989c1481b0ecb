/**
 * Unpacks a model archive into a new folder. It may come from anywhere, so only regular files with plain relative names
 * are taken, and no more bytes or files than such an archive can honestly hold.
 */
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { extract, type Header } from "tar-stream";
import { relativePath } from "../../protocol";

const MAX_FILES = 10_000;
/** Our archives do not compress; weights that others compressed shrink by a third. A bomb is a thousandfold. */
const MAX_RATIO = 10;
const SMALL_BYTES = 16 * 1024 * 1024;

export class UnsafeArchive extends Error {}

export async function unpackArchive(archivePath: string, folder: string, signal: AbortSignal): Promise<void> {
  const maxBytes = (await stat(archivePath)).size * MAX_RATIO + SMALL_BYTES;
  await mkdir(folder, { recursive: true });
  const entries = extract();
  const read = pipeline(createReadStream(archivePath), createGunzip(), entries, { signal });
  read.catch(() => undefined); // Awaited below; the loop may fail first.
  const names = new Set<string>();
  let bytes = 0;
  for await (const entry of entries) {
    const path = safeName(entry.header, names);
    bytes += entry.header.size;
    if (bytes > maxBytes) throw new UnsafeArchive(`unpacks to more than ${maxBytes} bytes`);
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await pipeline(entry, createWriteStream(join(folder, path), { flags: "wx" }), { signal });
  }
  await read;
  if (names.size === 0) throw new UnsafeArchive("holds no file");
}

function safeName({ name, type }: Header, names: Set<string>): string {
  if (type !== "file") throw new UnsafeArchive(`${name} is a ${type}, not a file`);
  const path = relativePath.safeParse(name);
  if (!path.success || name.includes("\0") || name.includes("\\")) throw new UnsafeArchive(`unsafe name ${name}`);
  if (names.has(name)) throw new UnsafeArchive(`${name} is there twice`);
  if (names.size >= MAX_FILES) throw new UnsafeArchive(`more than ${MAX_FILES} files`);
  names.add(name);
  return path.data;
}
