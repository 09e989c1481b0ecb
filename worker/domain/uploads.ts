/** An upload session as D1 has it. Its progress is in its own object (services/upload-session.ts). */

/** R2 wants equal parts but for the last; this is also the most that an upload holds in memory. */
export const UPLOAD_PART_BYTES = 16 * 1024 * 1024;
export const UPLOAD_TTL_MS = 7 * 24 * 60 * 60 * 1000;
/** Uploads of one account that are not completed yet: each may hold storage for its whole life. */
export const MAX_OPEN_UPLOADS = 100;

export const UPLOAD_PURPOSES = ["dataset"] as const;
export type UploadPurpose = (typeof UPLOAD_PURPOSES)[number];

/** A dataset is read once to be checked, within one request's CPU time (docs/decisions.md). */
export const MAX_UPLOAD_BYTES_OF: Record<UploadPurpose, number> = { dataset: 16 * 1024 ** 3 };

/**
 * `open`: takes bytes; `completed`: whole and verified, not used yet; `used`: its bytes are a dataset's, which has the
 * upload's own id. The last two states keep no bytes.
 */
export const UPLOAD_STATES = ["open", "completed", "used", "aborted", "expired"] as const;
export type UploadState = (typeof UPLOAD_STATES)[number];

export interface UploadRecord {
  id: string;
  accountId: string;
  projectId: string;
  purpose: UploadPurpose;
  filename: string;
  contentType: string | null;
  /** null: not known before it is completed. */
  sizeBytes: number | null;
  /** Until it is completed, what the client says; afterwards what the bytes have. */
  sha256: string | null;
  state: UploadState;
  /** Where the bytes will be: the dataset's own key, so that nothing is ever copied. */
  r2Key: string;
  createdAtMs: number;
  expiresAtMs: number;
}

export interface UploadProgress {
  /** Bytes received and kept, from the first on: where the client goes on. */
  offset: number;
  /** null while the whole size is not known. */
  sizeBytes: number | null;
}

/** Which bytes of the file a body has. */
export interface UploadRange {
  start: number;
  /** The last byte, inclusive; null: as many as come. */
  last: number | null;
  /** The size of the whole file, if the client says it. */
  total: number | null;
}
