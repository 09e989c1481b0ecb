/**
 * The hashing thread: one pass over each file gives its SHA-256 and the MD5 of each part. Node runs this file as it is,
 * so it imports nothing of ours but types.
 */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { parentPort, workerData } from "node:worker_threads";
import type { FileHashes, HashRequest } from "./hashing";

const BUFFER_BYTES = 1024 * 1024;

async function hashFile({ path, partBytes }: HashRequest): Promise<FileHashes> {
  const file = await open(path, "r");
  try {
    const whole = createHash("sha256");
    const parts: string[] = [];
    const buffer = Buffer.alloc(BUFFER_BYTES);
    let at = 0;
    for (const size of partBytes) {
      const part = createHash("md5");
      const end = at + size;
      while (at < end) {
        const { bytesRead } = await file.read(buffer, 0, Math.min(BUFFER_BYTES, end - at), at);
        if (bytesRead === 0) throw new Error(`${path} is shorter than its ${end} bytes`);
        const bytes = buffer.subarray(0, bytesRead);
        part.update(bytes);
        whole.update(bytes);
        at += bytesRead;
      }
      parts.push(part.digest("hex"));
    }
    return { sha256: whole.digest("hex"), partMd5s: parts };
  } finally {
    await file.close();
  }
}

const requests = workerData as readonly HashRequest[];
const hashes: FileHashes[] = [];
for (const request of requests) hashes.push(await hashFile(request));
parentPort?.postMessage(hashes);
