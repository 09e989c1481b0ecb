/** Upload sessions as the edges use them: the record in D1, the progress in the upload's own object. */
import type { Principal } from "../domain/accounts";
import { parseContentRange } from "../domain/content-range";
import { DomainError, invalid } from "../domain/errors";
import type { Clock, Ids, Page, PageRequest } from "../domain/ports";
import type { UploadSessions, UploadStore } from "../domain/upload-ports";
import {
  MAX_OPEN_UPLOADS,
  MAX_UPLOAD_BYTES_OF,
  UPLOAD_TTL_MS,
  type UploadProgress,
  type UploadPurpose,
  type UploadRecord,
} from "../domain/uploads";

export interface UploadPorts {
  uploads: UploadStore;
  sessions: UploadSessions;
  ids: Ids;
  clock: Clock;
}

export interface NewUpload {
  filename: string;
  purpose: UploadPurpose;
  sizeBytes: number | null;
  sha256: string | null;
  contentType: string | null;
}

/** An upload with its progress, which is in its object while it is open. */
export interface UploadStatus {
  upload: UploadRecord;
  progress: UploadProgress;
}

/** A request's body, with what its headers say of it. */
export interface SentBytes {
  contentRange: string | null;
  contentLength: number | null;
  /** null: there is none. */
  body: ReadableStream<Uint8Array> | null;
}

/** Nothing but the row: the object is made by its first bytes. With an `id` that is there already, it is found. */
export async function createUpload(
  ports: UploadPorts,
  principal: Pick<Principal, "accountId" | "projectId">,
  wanted: NewUpload,
  id = ports.ids.next(),
): Promise<UploadRecord> {
  const maxBytes = MAX_UPLOAD_BYTES_OF[wanted.purpose];
  if (wanted.sizeBytes !== null && wanted.sizeBytes > maxBytes) {
    throw new DomainError("payload_too_large", `a ${wanted.purpose} may have ${String(maxBytes)} bytes`, {
      field: "size_bytes",
    });
  }
  const nowMs = ports.clock.nowMs();
  const upload: UploadRecord = {
    id,
    accountId: principal.accountId,
    projectId: principal.projectId,
    ...wanted,
    state: "open",
    r2Key: `datasets/${principal.accountId}/${id}`,
    createdAtMs: nowMs,
    expiresAtMs: nowMs + UPLOAD_TTL_MS,
  };
  if (await ports.uploads.create(upload, MAX_OPEN_UPLOADS)) return upload;
  const present = await ports.uploads.get(principal.accountId, id);
  if (present) return present;
  throw new DomainError(
    "rate_limited",
    `the account has ${String(MAX_OPEN_UPLOADS)} open uploads; complete or delete some first`,
  );
}

export async function uploadStatus(ports: UploadPorts, upload: UploadRecord): Promise<UploadStatus> {
  if (upload.state === "open") return { upload, progress: await ports.sessions.of(upload.id).progress(upload) };
  const { sizeBytes } = upload;
  return { upload, progress: { offset: keepsBytes(upload) ? (sizeBytes ?? 0) : 0, sizeBytes } };
}

/** A body of no bytes only asks, and may say the whole size. */
export async function receiveUpload(ports: UploadPorts, upload: UploadRecord, sent: SentBytes): Promise<UploadStatus> {
  const { range, total } = parseContentRange(sent.contentRange, sent.contentLength);
  const session = ports.sessions.of(upload.id);
  if (sent.body !== null && range !== null) {
    return { upload, progress: await session.receive(upload, range, sent.body) };
  }
  if (range !== null && sent.contentRange !== null)
    throw invalid("content-range", "names bytes, and the body has none");
  if (total === null) return uploadStatus(ports, upload);
  return { upload, progress: await session.declare(upload, total) };
}

export async function listUploads(
  ports: UploadPorts,
  principal: Principal,
  page: PageRequest,
): Promise<Page<UploadRecord>> {
  return ports.uploads.list(principal.accountId, page);
}

export async function completeUpload(
  ports: UploadPorts,
  upload: UploadRecord,
  sha256: string | null,
): Promise<UploadStatus> {
  return uploadStatus(ports, await ports.sessions.of(upload.id).complete(upload, sha256));
}

export async function abortUpload(ports: UploadPorts, upload: UploadRecord): Promise<void> {
  await ports.sessions.of(upload.id).abort(upload);
}

function keepsBytes({ state }: UploadRecord): boolean {
  return state === "completed" || state === "used";
}
