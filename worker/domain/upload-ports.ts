/** What upload sessions need of the world. */
import type { Page, PageRequest } from "./ports";
import type { UploadProgress, UploadRange, UploadRecord, UploadState } from "./uploads";

export interface UploadStore {
  /** False when the account has `maxOpen` open ones already, or there is one of that id. */
  create(upload: UploadRecord, maxOpen: number): Promise<boolean>;
  get(accountId: string, id: string): Promise<UploadRecord | null>;
  /** For the upload's own object and the sweep. */
  load(id: string): Promise<UploadRecord | null>;
  list(accountId: string, page: PageRequest): Promise<Page<UploadRecord>>;
  /** From `open` to `completed`; false when it is not open. */
  complete(id: string, sizeBytes: number, sha256: string): Promise<boolean>;
  /** From `open` or `completed`, whose bytes then are nobody's; false when it is neither. */
  end(id: string, as: Extract<UploadState, "aborted" | "expired">): Promise<boolean>;
  /** Open or completed ones that should have expired, oldest first. */
  overdue(expiredBeforeMs: number, limit: number): Promise<string[]>;
}

/** What an upload's object keeps. All synchronous; an answer leaves the object only when what it tells is durable. */
export interface UploadLocal {
  facts(): UploadFacts;
  setFacts(changes: Partial<UploadFacts>): void;
  /** Parts that are whole in R2, in order. */
  parts(): { number: number; etag: string }[];
  /** The part that follows is whole; the bytes kept for it are dropped. */
  addPart(number: number, etag: string): void;
  /** The bytes behind the last whole part: at most as many as a part has. */
  tailBytes(): number;
  tail(): Uint8Array[];
  appendTail(bytes: Uint8Array): void;
  /** Drops parts and tail, and keeps the facts. */
  clear(): void;
}

export interface UploadFacts {
  /** R2's id of the multipart upload; null before the first whole part. */
  multipartId: string | null;
  /** What the client has said on the way. */
  sizeBytes: number | null;
  /** No more bytes are taken, whatever a request believes that was on its way. */
  closed: boolean;
}

/** A part that is on its way to R2 while its bytes still come in. Never throws: what fails is put again from memory. */
export interface PartInFlight {
  write(bytes: Uint8Array): Promise<void>;
  /** The etag once all bytes are written; null when R2 did not take them. */
  finish(): Promise<string | null>;
  drop(): Promise<void>;
}

/** Multipart uploads in R2, for upload sessions. */
export interface PartStore {
  open(key: string): Promise<string>;
  begin(key: string, multipartId: string, number: number, sizeBytes: number): PartInFlight;
  put(key: string, multipartId: string, number: number, bytes: Uint8Array): Promise<string>;
  /** Whether the object is there, which only `complete` makes. */
  isComplete(key: string): Promise<boolean>;
  complete(key: string, multipartId: string, parts: { number: number; etag: string }[]): Promise<void>;
  abort(key: string, multipartId: string): Promise<void>;
}

/** A hash of bytes as they pass. */
export interface Digest {
  readonly sizeBytes: number;
  update(bytes: Uint8Array): void;
  /** Ends it: lower-case hex. */
  hex(): string;
}

/** An upload's object, as callers outside it see it. */
export interface UploadSessionStub {
  progress(upload: UploadRecord): Promise<UploadProgress>;
  receive(upload: UploadRecord, range: UploadRange, body: ReadableStream<Uint8Array>): Promise<UploadProgress>;
  /** The size of the whole, said without bytes. */
  declare(upload: UploadRecord, total: number): Promise<UploadProgress>;
  complete(upload: UploadRecord, sha256: string | null): Promise<UploadRecord>;
  abort(upload: UploadRecord): Promise<void>;
  expire(uploadId: string): Promise<void>;
}

export interface UploadSessions {
  of(uploadId: string): UploadSessionStub;
}

/** What a signed upload URL lets its holder do: send a file that becomes a training session's dataset. */
export interface SignedUpload {
  /** Of a resumable one, which takes one file; null: each file that is put to the URL is an upload of its own. */
  uploadId: string | null;
  accountId: string;
  projectId: string;
  sessionId: string;
  /** What the file is called, without an ending, where its sender does not say. */
  name: string;
  /** No upload begins later. */
  beginByMs: number;
}

export interface UploadUrls {
  sign(upload: SignedUpload, origin: string): Promise<string>;
  /** Throws `unauthenticated`. */
  verify(token: string): Promise<SignedUpload>;
}
