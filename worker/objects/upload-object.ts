/**
 * The Durable Object of one upload: a thin shell over the session's rules (services/upload-session.ts). It ends itself
 * when the upload's time is over.
 */
import { DurableObject } from "cloudflare:workers";
import { uploadObjectParts, type UploadObjectParts } from "../container";
import { answering, loggable, type Answer } from "../domain/errors";
import type { UploadProgress, UploadRange, UploadRecord } from "../domain/uploads";
import type { Env } from "../env";
import type { UploadObjectRpc } from "./rpc";

/** An expiry that failed is tried again after this long. */
const RETRY_MS = 60_000;

export class UploadObject extends DurableObject<Env> implements UploadObjectRpc {
  #parts: UploadObjectParts | null = null;

  #of(uploadId: string): UploadObjectParts {
    if (this.#parts) return this.#parts;
    this.#parts = uploadObjectParts(this.ctx, this.env);
    this.#parts.rows.setUploadId(uploadId);
    return this.#parts;
  }

  /** The first call brings the upload, and with it the time at which it ends. */
  async #session(upload: UploadRecord) {
    const parts = this.#of(upload.id);
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(upload.expiresAtMs);
    return parts.session;
  }

  progress(upload: UploadRecord): Promise<Answer<UploadProgress>> {
    return answering(async () => (await this.#session(upload)).progress(upload));
  }

  receive(upload: UploadRecord, range: UploadRange, body: ReadableStream<Uint8Array>): Promise<Answer<UploadProgress>> {
    return answering(async () => (await this.#session(upload)).receive(upload, range, body));
  }

  declare(upload: UploadRecord, total: number): Promise<Answer<UploadProgress>> {
    return answering(async () => (await this.#session(upload)).declare(upload, total));
  }

  complete(upload: UploadRecord, sha256: string | null): Promise<Answer<UploadRecord>> {
    return answering(async () => (await this.#session(upload)).complete(upload, sha256));
  }

  abort(upload: UploadRecord): Promise<Answer<void>> {
    return answering(async () => (await this.#session(upload)).abort(upload));
  }

  /** For the alarm, and for the sweep where that was lost. Afterwards the object keeps nothing. */
  expire(uploadId: string): Promise<Answer<void>> {
    return answering(async () => {
      const { uploads, session } = this.#of(uploadId);
      const upload = await uploads.load(uploadId);
      if (upload) await session.expire(upload);
      this.#parts = null;
      await this.ctx.storage.deleteAll();
    });
  }

  override async alarm(): Promise<void> {
    const uploadId = uploadObjectParts(this.ctx, this.env).rows.uploadId();
    if (uploadId === null) return;
    try {
      await this.expire(uploadId);
    } catch (error) {
      console.error("an upload could not expire; it is tried again", uploadId, loggable(error));
      await this.ctx.storage.setAlarm(Date.now() + RETRY_MS);
    }
  }
}
