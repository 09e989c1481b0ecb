/**
 * One file by its signed URL, streamed to disk. A download that breaks off goes on where it stopped (Range), also over
 * what an earlier one left at the path; the file counts only when size and SHA-256 are those promised. The hash runs
 * along with the bytes.
 */
import { createHash, type Hash } from "node:crypto";
import { constants, open, rm, type FileHandle } from "node:fs/promises";
import { request, type Dispatcher } from "undici";
import type { Download } from "../../protocol";
import { toApiError } from "./api-client";
import { ApiError, NetworkError } from "./api-error";
import { TRANSFER, type Retrier } from "./retry";

/** A wrong hash may come from a connection that mixed up a range; a second whole download tells. */
const MAX_MISMATCHES = 2;
/** Silence on an open download for this long is a broken connection. */
const STALLED_AFTER_MS = 60_000;
const READ_BUFFER_BYTES = 1024 * 1024;

export interface DownloadDeps {
  readonly baseUrl: string;
  readonly dispatcher: Dispatcher;
  readonly retrier: Retrier;
}

/** The bytes are not what was promised. */
export class IntegrityError extends Error {}

export async function downloadFile(
  source: Download,
  path: string,
  deps: DownloadDeps,
  signal: AbortSignal,
): Promise<void> {
  for (let mismatches = 0; ;) {
    try {
      await downloadOnce(source, path, deps, signal);
      return;
    } catch (error) {
      mismatches += 1;
      if (error instanceof IntegrityError) await rm(path, { force: true });
      if (!(error instanceof IntegrityError) || mismatches >= MAX_MISMATCHES) throw error;
    }
  }
}

async function downloadOnce(source: Download, path: string, deps: DownloadDeps, signal: AbortSignal): Promise<void> {
  const file = await open(path, constants.O_RDWR | constants.O_CREAT);
  try {
    let received = await readReceived(file, source.size);
    const attempt = async (): Promise<void> => {
      if (received.bytes === source.size && received.bytes > 0) return;
      const body = await openBody(source, received.bytes, deps, signal);
      if (!body.isContinued && received.bytes > 0) {
        received = { bytes: 0, hash: createHash("sha256") };
        await file.truncate(0);
      }
      for await (const chunk of body.chunks) {
        if (received.bytes + chunk.length > source.size) throw new IntegrityError(`more than ${source.size} bytes`);
        await file.write(chunk, 0, chunk.length, received.bytes);
        received.hash.update(chunk);
        received.bytes += chunk.length;
      }
      if (received.bytes < source.size) throw new NetworkError(`ended after ${received.bytes} of ${source.size} bytes`);
    };
    await deps.retrier.run(attempt, TRANSFER, signal);
    const sha256 = received.hash.digest("hex");
    if (sha256 !== source.sha256) throw new IntegrityError(`SHA-256 is ${sha256}, not ${source.sha256}`);
  } finally {
    await file.close();
  }
}

interface Received {
  bytes: number;
  readonly hash: Hash;
}

/** What is in the file already; more than there should be is none of it. */
async function readReceived(file: FileHandle, size: number): Promise<Received> {
  const received = { bytes: 0, hash: createHash("sha256") };
  if ((await file.stat()).size > size) await file.truncate(0);
  const buffer = Buffer.alloc(READ_BUFFER_BYTES);
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, READ_BUFFER_BYTES, received.bytes);
    if (bytesRead === 0) return received;
    received.hash.update(buffer.subarray(0, bytesRead));
    received.bytes += bytesRead;
  }
}

interface Body {
  readonly chunks: AsyncIterable<Buffer>;
  /** The bytes follow those we have; otherwise they begin at 0. */
  readonly isContinued: boolean;
}

async function openBody(source: Download, from: number, deps: DownloadDeps, signal: AbortSignal): Promise<Body> {
  const headers = from > 0 ? { range: `bytes=${from}-` } : {};
  const answer = await request(new URL(source.url, deps.baseUrl), {
    dispatcher: deps.dispatcher,
    headers,
    headersTimeout: STALLED_AFTER_MS,
    bodyTimeout: STALLED_AFTER_MS,
    signal,
  }).catch((error: unknown) => {
    throw new NetworkError(error);
  });
  if (answer.statusCode === 200 || answer.statusCode === 206) {
    const isContinued = answer.statusCode === 206;
    if (isContinued && !String(answer.headers["content-range"]).startsWith(`bytes ${from}-`)) {
      await answer.body.dump();
      throw new ApiError(answer.statusCode, "wrong_range", "the answer is not the range asked for");
    }
    return { chunks: chunksOf(answer.body), isContinued };
  }
  throw toApiError(answer.statusCode, await answer.body.text(), answer.headers["retry-after"]);
}

async function* chunksOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of body) yield Buffer.from(chunk);
  } catch (error) {
    throw new NetworkError(error);
  }
}
