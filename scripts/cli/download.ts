/**
 * Downloads a file by the signed URL that `path` answers with, into `<file>.part` first: a broken download goes on where it
 * stopped (Range), and the file gets its name only when its SHA-256 is the committed one.
 */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { ApiClient } from "../api";
import type { Progress } from "../progress";
import { CliFailure } from "./failure";
import { model } from "./shapes";
import { withProgress } from "./with-progress";

/** A line that breaks this often in a row is not worth waiting for. */
const MAX_TRIES = 8;
const RETRY_MS = 500;

export interface Saved extends Record<string, unknown> {
  path: string;
  size_bytes: number;
  sha256: string;
}

export async function saveDownload(api: ApiClient, signedBy: string, file: string): Promise<Saved> {
  const { sha256 } = await api.get(signedBy, model);
  await mkdir(path.dirname(path.resolve(file)), { recursive: true });
  if (!existsSync(file) || (await sha256Of(file)) !== sha256) {
    const part = `${file}.part`;
    await withProgress(`downloading ${path.basename(file)}`, 1, async (progress) => {
      await fetchWhole(api, signedBy, part, progress);
      return { result: null, summary: `${String(await sizeOf(part))} bytes` };
    });
    const found = await sha256Of(part);
    if (found !== sha256) {
      await rm(part);
      throw new CliFailure(`what was downloaded has the SHA-256 ${found}, not ${sha256}; it was deleted`);
    }
    await rename(part, file);
  }
  return { path: path.resolve(file), size_bytes: (await stat(file)).size, sha256 };
}

/** Appends to `part` until it is whole; each try gets a fresh URL, since the old one may have expired. */
async function fetchWhole(api: ApiClient, signedBy: string, part: string, progress: Progress): Promise<void> {
  let failures = 0;
  for (;;) {
    const before = await sizeOf(part);
    try {
      const { url } = await api.get(signedBy, model);
      await fetchRest(url, part, before, (received, total) => {
        progress.update(received, undefined, total);
      });
      return;
    } catch (error) {
      if (error instanceof CliFailure) throw error;
      failures = (await sizeOf(part)) > before ? 1 : failures + 1;
      if (failures >= MAX_TRIES) throw error;
      await sleep(RETRY_MS * failures);
    }
  }
}

/** Throws when the line breaks or the server is in trouble; what has come by then is in `part`. */
async function fetchRest(
  url: string,
  part: string,
  from: number,
  onBytes: (received: number, total: number) => void,
): Promise<void> {
  const response = await fetch(url, from > 0 ? { headers: { range: `bytes=${String(from)}-` } } : {});
  if (response.status === 416) {
    // As long as the whole already, or of another file: the digest decides.
    await response.body?.cancel();
    return;
  }
  if (!response.ok || response.body === null) {
    const message = `the download answered ${String(response.status)}: ${(await response.text()).slice(0, 300)}`;
    throw response.status >= 500 || response.status === 429 ? new Error(message) : new CliFailure(message);
  }
  const start = response.status === 206 ? from : 0;
  const total = start + Number(response.headers.get("content-length") ?? 0);
  let received = start;
  const counted = async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      received += chunk.byteLength;
      onBytes(received, Math.max(total, received));
      yield chunk;
    }
  };
  const sink = createWriteStream(part, { flags: start > 0 ? "a" : "w" });
  await pipeline(counted(response.body), sink);
  if (received < total) throw new Error("the download ended early");
}

async function sizeOf(file: string): Promise<number> {
  return existsSync(file) ? (await stat(file)).size : 0;
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}
