/**
 * Files that are sent to the signed upload URL of a training session, whole or in pieces, over the one upload service. A
 * file that is whole becomes the session's dataset; one that holds no rows stays as it is, and `start` says so again.
 */
import { SIGNED_URL_TTL_MS, type DatasetRecord } from "../domain/artifacts";
import { parseContentRange } from "../domain/content-range";
import { DomainError, invalid, notFound } from "../domain/errors";
import type { TrainingSessionStore } from "../domain/session-ports";
import type { TrainingSessionRecord } from "../domain/training-sessions";
import type { SignedUpload, UploadUrls } from "../domain/upload-ports";
import type { UploadRecord } from "../domain/uploads";
import { datasetFromUpload, type DatasetFromUploadPorts } from "./dataset-from-upload";
import {
  abortUpload,
  completeUpload,
  createUpload,
  receiveUpload,
  uploadStatus,
  type SentBytes,
  type UploadPorts,
  type UploadStatus,
} from "./uploads";

export interface SessionUploadPorts extends UploadPorts, DatasetFromUploadPorts {
  uploadUrls: UploadUrls;
  trainingSessions: Pick<TrainingSessionStore, "get" | "setDataset">;
  digestOf: (bytes: ReadableStream<Uint8Array>) => Promise<{ sha256: string }>;
  /** In Base64. */
  md5Of: (bytes: ReadableStream<Uint8Array>) => Promise<string>;
}

/** What whoever begins an upload may say of its file. */
export interface AnnouncedFile {
  filename: string | null;
  contentType: string | null;
  sizeBytes: number | null;
}

export type SentFile = SentBytes & Pick<AnnouncedFile, "contentType">;

export interface FinishedUpload {
  upload: UploadRecord;
  /** In Base64, as clients of such storages compare it with their own. */
  md5: string;
  /** null: the file holds no rows to train on. */
  dataset: DatasetRecord | null;
  /** Why the session will not train on it. */
  problem: string | null;
}

/** Bytes before `offset` are kept; the rest is still to come. */
export type SessionUploadAnswer = { offset: number } | FinishedUpload;

/** Nothing is kept of a URL that nobody uses. */
export function sessionUploadUrl(
  ports: SessionUploadPorts,
  session: TrainingSessionRecord,
  resumable: boolean,
  origin: string,
): Promise<string> {
  const { accountId, projectId, id: sessionId, name } = session;
  const beginByMs = ports.clock.nowMs() + SIGNED_URL_TTL_MS;
  const uploadId = resumable ? ports.ids.next() : null;
  return ports.uploadUrls.sign({ uploadId, accountId, projectId, sessionId, name, beginByMs }, origin);
}

/** The start of an upload in pieces; safe to repeat until the file is whole. */
export async function beginSessionUpload(ports: SessionUploadPorts, token: string, file: AnnouncedFile): Promise<void> {
  const url = await verified(ports, token);
  if (url.uploadId === null) {
    throw new DomainError("method_not_allowed", "this URL takes PUT; ask for one with resumable=true to send pieces", {
      facts: { allow: "PUT" },
    });
  }
  const upload = await begun(ports, url, file);
  if (upload.state !== "open") throw spent(upload);
  if (file.sizeBytes !== null) await ports.sessions.of(upload.id).declare(upload, file.sizeBytes);
}

export async function receiveSessionUpload(
  ports: SessionUploadPorts,
  token: string,
  sent: SentFile,
): Promise<SessionUploadAnswer> {
  const url = await verified(ports, token);
  if (sent.contentRange === null && sent.contentLength === null) {
    throw invalid(
      "content-length",
      "is required, or a Content-Range: without them nobody knows when the file is whole",
    );
  }
  if (sent.contentRange !== null && url.uploadId === null) {
    throw invalid("content-range", "this URL takes a whole file; ask for one with resumable=true to send pieces");
  }
  const upload = await begun(ports, url, { ...sent, filename: null, sizeBytes: null });
  if (upload.state !== "open") return again(ports, url, upload, sent);
  const { upload: present, progress } = await received(ports, upload, sent);
  if (present.state !== "open" || progress.offset === progress.sizeBytes) return finished(ports, url, present);
  if (url.uploadId !== null) return { offset: progress.offset };
  await abortUpload(ports, upload);
  throw invalid("content-length", `says ${String(progress.sizeBytes)} bytes, and ${String(progress.offset)} came`);
}

/** A project may have gone since, and its sessions with it. */
async function verified(ports: SessionUploadPorts, token: string): Promise<SignedUpload> {
  const url = await ports.uploadUrls.verify(token);
  if (await ports.trainingSessions.get(url.accountId, url.sessionId)) return url;
  throw notFound("training session");
}

async function begun(ports: SessionUploadPorts, url: SignedUpload, file: AnnouncedFile): Promise<UploadRecord> {
  const present = url.uploadId === null ? null : await ports.uploads.get(url.accountId, url.uploadId);
  if (present) return present;
  if (ports.clock.nowMs() > url.beginByMs) {
    throw new DomainError("unauthenticated", "an upload must begin within an hour of its URL: ask for another URL");
  }
  const { contentType } = file;
  const filename = file.filename ?? `${url.name}.${endingOf(contentType)}`;
  const wanted = { filename, purpose: "dataset" as const, contentType, sizeBytes: null, sha256: null };
  return createUpload(ports, url, wanted, url.uploadId ?? undefined);
}

/** With `data` the file's first byte tells what it is. */
function endingOf(contentType: string | null): string {
  if (/^text\/csv\b/i.test(contentType ?? "")) return "csv";
  return /json/i.test(contentType ?? "") ? "jsonl" : "data";
}

async function received(ports: SessionUploadPorts, upload: UploadRecord, sent: SentBytes): Promise<UploadStatus> {
  try {
    return await receiveUpload(ports, upload, sent);
  } catch (error) {
    // A last piece that is sent twice at once: the other request has completed the upload.
    const present = await ports.uploads.get(upload.accountId, upload.id);
    const isWhole = present?.state === "completed" || present?.state === "used";
    if (error instanceof DomainError && error.code === "conflict" && isWhole) return uploadStatus(ports, present);
    throw error;
  }
}

async function finished(ports: SessionUploadPorts, url: SignedUpload, received: UploadRecord): Promise<FinishedUpload> {
  const { sessionId } = url;
  // Before the upload is closed: what fails in between is done again with the last piece, and never when the session has
  // been given another dataset since.
  const isTaken =
    received.state !== "open" || (await ports.trainingSessions.setDataset(sessionId, received.id, ports.clock.nowMs()));
  const { upload } = await completeUpload(ports, received, null);
  const { dataset, problem } = await datasetOf(ports, upload);
  const kept = isTaken ? null : "the session is being trained or has been: it keeps its dataset";
  return { upload, md5: await md5Of(ports, upload), dataset, problem: problem ?? kept };
}

/** A file without rows is for `start` to refuse; what else fails is told to whoever sends it. */
async function datasetOf(
  ports: SessionUploadPorts,
  upload: UploadRecord,
): Promise<Pick<FinishedUpload, "dataset" | "problem">> {
  try {
    return { dataset: await datasetFromUpload(ports, upload, { uploadId: upload.id, name: undefined }), problem: null };
  } catch (error) {
    if (!(error instanceof DomainError) || error.code !== "invalid_request") throw error;
    return { dataset: null, problem: error.message };
  }
}

async function md5Of({ blobs, md5Of: hash }: SessionUploadPorts, upload: UploadRecord): Promise<string> {
  const stored = await blobs.read(upload.r2Key, 0, upload.sizeBytes ?? 0);
  if (!stored) throw new Error("a completed upload's bytes are missing");
  return hash(stored);
}

/** An upload that was whole before: the same bytes get the same answer. */
async function again(
  ports: SessionUploadPorts,
  url: SignedUpload,
  upload: UploadRecord,
  sent: SentBytes,
): Promise<FinishedUpload> {
  if (upload.state !== "completed" && upload.state !== "used") throw spent(upload);
  const { total } = parseContentRange(sent.contentRange, sent.contentLength);
  // Whoever is still sending reads no answer.
  const found = sent.body === null ? null : await ports.digestOf(sent.body);
  if (total !== null && total !== upload.sizeBytes) throw spent(upload);
  if (sent.contentRange === null && found !== null && found.sha256 !== upload.sha256) throw spent(upload);
  return finished(ports, url, upload);
}

function spent({ state }: UploadRecord): DomainError {
  const what = state === "completed" || state === "used" ? "has taken another file" : `is ${state}`;
  return new DomainError("conflict", `this upload ${what}: ask for another URL`);
}
