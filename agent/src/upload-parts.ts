/** One file's parts, PUT to the opaque URLs that the worker gave, each with its MD5; a part that breaks is sent again. */
import { createReadStream } from "node:fs";
import { request, type Dispatcher } from "undici";
import { partReceipt, type BeginCheckpointResponse } from "../../protocol";
import { toApiError } from "./api-client";
import { NetworkError } from "./api-error";
import { TRANSFER, type Retrier } from "./retry";

export type PartUpload = BeginCheckpointResponse["files"][number]["parts"][number];

export interface UploadDeps {
  readonly baseUrl: string;
  readonly dispatcher: Dispatcher;
  readonly retrier: Retrier;
}

export interface SentPart {
  readonly number: number;
  readonly size: number;
  readonly md5: string;
  readonly etag: string;
}

/** Fills a link whose round trip is long; more would only take memory from the trainer. */
const PARALLEL_PARTS = 3;
/** 64 MiB at a slow 1 MB/s, and storage's own time. */
const PART_TIMEOUT_MS = 120_000;

export async function uploadParts(
  localPath: string,
  parts: readonly PartUpload[],
  md5s: readonly string[],
  deps: UploadDeps,
  signal: AbortSignal,
): Promise<SentPart[]> {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const sent: SentPart[] = [];
  const offsets = parts.map((_, index) => parts.slice(0, index).reduce((sum, part) => sum + part.size, 0));
  const queue = parts.entries();
  const lane = async (): Promise<void> => {
    for (const [index, part] of queue) {
      const md5 = md5s[index] ?? "";
      const put = (): Promise<string> => putPart(localPath, offsets[index] ?? 0, part, md5, deps, either);
      const etag = await deps.retrier.run(put, TRANSFER, either);
      sent[index] = { number: part.number, size: part.size, md5, etag };
    }
  };
  try {
    await Promise.all(Array.from({ length: PARALLEL_PARTS }, lane));
  } finally {
    failed.abort(); // The first failure ends the others.
  }
  return sent;
}

async function putPart(
  localPath: string,
  offset: number,
  part: PartUpload,
  md5: string,
  deps: UploadDeps,
  signal: AbortSignal,
): Promise<string> {
  const body =
    part.size === 0 ? Buffer.alloc(0) : createReadStream(localPath, { start: offset, end: offset + part.size - 1 });
  const headers = {
    ...part.headers,
    "content-length": String(part.size),
    "content-md5": Buffer.from(md5, "hex").toString("base64"),
  };
  const { status, retryAfter, text } = await request(new URL(part.url, deps.baseUrl), {
    method: "PUT",
    dispatcher: deps.dispatcher,
    headers,
    body,
    headersTimeout: PART_TIMEOUT_MS,
    bodyTimeout: PART_TIMEOUT_MS,
    signal,
  })
    .then(async (answer) => ({
      status: answer.statusCode,
      retryAfter: answer.headers["retry-after"],
      text: await answer.body.text(),
    }))
    .catch((error: unknown) => {
      throw new NetworkError(error);
    });
  if (status >= 400) throw toApiError(status, text, retryAfter);
  return readEtag(text);
}

function readEtag(text: string): string {
  try {
    return partReceipt.parse(JSON.parse(text)).etag;
  } catch (error) {
    throw new NetworkError(error);
  }
}
