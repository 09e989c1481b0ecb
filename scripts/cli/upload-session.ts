/**
 * A large dataset goes up in pieces of an upload session. Which session a file has is kept in the state directory until the
 * dataset is made, so that a later run goes on where this one broke off; where that is, the deployment says.
 */
import { createHash } from "node:crypto";
import { createReadStream, existsSync, openAsBlob, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { ApiError, type ApiClient } from "../api";
import { stateDir } from "../env";
import type { Progress } from "../progress";
import { request } from "./request";
import { anything } from "./shapes";
import { withProgress } from "./with-progress";

export interface Pacing {
  pieceBytes: number;
  /** After the first break; longer after each that follows without a byte between. */
  retryMs: number;
}

/** Pieces below what common plans let through in one request. */
const PACING: Pacing = { pieceBytes: 64 * 1024 * 1024, retryMs: 500 };
/** A line that breaks this often in a row, without one more byte kept, is not worth waiting for. */
const MAX_TRIES = 8;
const UPLOADS = "/anneal/v1/uploads";

const upload = z.object({ id: z.string(), state: z.string(), offset: z.number() });
type Upload = z.infer<typeof upload>;
const known = z.object({ upload_id: z.string() });

export async function uploadInPieces(
  api: ApiClient,
  file: string,
  name: string,
  pacing = PACING,
): Promise<Record<string, unknown>> {
  const { size, mtimeMs } = await stat(file);
  const stateFile = await stateFileOf([api.url, path.resolve(file), String(size), String(mtimeMs)]);
  const begun = (await resumed(api, stateFile)) ?? (await begin(api, stateFile, path.basename(file), size));
  const resource = `${UPLOADS}/${begun.id}`;
  try {
    if (begun.state === "open") {
      await withProgress(`uploading ${file}`, size, async (progress) => {
        await sendRest(api, file, { resource, offset: begun.offset, size, pacing, progress });
        return { result: null, summary: `${String(size)} bytes, ${String(size - begun.offset)} of them now` };
      });
      await api.post(`${resource}/complete`, { sha256: await sha256Of(file) }, upload);
    }
    const made = await api.post("/anneal/v1/datasets", { upload_id: begun.id, name }, anything);
    rmSync(stateFile, { force: true });
    return made;
  } catch (error) {
    if (isRefusal(error)) {
      // The file itself is at fault: nothing of it is to be taken up again.
      rmSync(stateFile, { force: true });
      await request(api, "DELETE", resource, anything);
    }
    throw error;
  }
}

async function stateFileOf(fingerprint: string[]): Promise<string> {
  const dir = path.join(stateDir(), "uploads");
  await mkdir(dir, { recursive: true });
  return path.join(dir, `${createHash("sha256").update(fingerprint.join("\n")).digest("hex").slice(0, 32)}.json`);
}

/** What an earlier run has left; null when there is nothing that can be gone on with. */
async function resumed(api: ApiClient, stateFile: string): Promise<Upload | null> {
  if (!existsSync(stateFile)) return null;
  const { upload_id: id } = known.parse(JSON.parse(readFileSync(stateFile, "utf8")));
  try {
    const found = await api.get(`${UPLOADS}/${id}`, upload);
    return ["open", "completed", "used"].includes(found.state) ? found : null;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

async function begin(api: ApiClient, stateFile: string, filename: string, size: number): Promise<Upload> {
  const begun = await api.post(UPLOADS, { filename, size_bytes: size }, upload);
  writeFileSync(stateFile, JSON.stringify({ upload_id: begun.id }), { mode: 0o600 });
  return begun;
}

interface Rest {
  resource: string;
  offset: number;
  size: number;
  pacing: Pacing;
  progress: Progress;
}

async function sendRest(api: ApiClient, file: string, rest: Rest): Promise<void> {
  const { resource, size, pacing, progress } = rest;
  let at = rest.offset;
  let failures = 0;
  while (at < size) {
    try {
      at = await sendPiece(api, file, resource, { at, to: Math.min(size, at + pacing.pieceBytes), size, progress });
      failures = 0;
    } catch (error) {
      if (!mayPass(error)) throw error;
      failures += 1;
      if (failures === MAX_TRIES) throw error;
      await sleep(pacing.retryMs * failures);
      const kept = await offsetAfterBreak(api, resource);
      if (kept !== null && kept > at) failures = 0;
      at = kept ?? at;
    }
  }
}

/** Where to go on; null while the deployment is away: what it has already is passed over when it is sent again. */
async function offsetAfterBreak(api: ApiClient, resource: string): Promise<number | null> {
  try {
    return (await api.get(resource, upload)).offset;
  } catch (error) {
    if (mayPass(error)) return null;
    throw error;
  }
}

/** The next byte that the deployment wants. */
async function sendPiece(
  api: ApiClient,
  file: string,
  resource: string,
  { at, to, size, progress }: { at: number; to: number; size: number; progress: Progress },
): Promise<number> {
  let sent = at;
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      sent += chunk.byteLength;
      progress.update(sent);
      controller.enqueue(chunk);
    },
  });
  const body = (await openAsBlob(file)).slice(at, to).stream().pipeThrough(counter);
  const headers = { "content-range": `bytes ${String(at)}-${String(to - 1)}/${String(size)}` };
  return (await request(api, "PUT", resource, upload, { body, headers })).offset;
}

/** A broken line, a deployment in trouble, or another request in between: the offset tells how to go on. */
function mayPass(error: unknown): boolean {
  if (error instanceof ApiError) return error.status >= 500 || error.status === 429 || error.status === 409;
  return error instanceof TypeError;
}

function isRefusal(error: unknown): boolean {
  return error instanceof ApiError && [400, 413].includes(error.status);
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}
