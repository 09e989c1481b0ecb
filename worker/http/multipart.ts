/**
 * multipart/form-data with one file, parsed as it streams: the file is never held, its chunks are pulled by whoever stores
 * them. Text fields may come before or after the file; those after it are known once the file has been read to its end.
 * The parser is multipasta; this file adds the pull, the names and the limits.
 */
import { decodeField, make, type MultipartError, type PartInfo } from "multipasta";
import { DomainError, invalid } from "../domain/errors";
import { limitedBody } from "./body-limit";

/** Fields are names and formats. */
const MAX_FIELD_BYTES = 16 * 1024;
const MAX_FILE_NAME_CHARS = 255;
const DASH = 45;

export interface UploadForm {
  /** Throws 400 naming the field when it is missing, or not yet known because it comes after the file. */
  required(name: string): string;
  optional(name: string): string | undefined;
  /** True unless the file may be absent and is. */
  readonly hasFile: boolean;
  /** As its sender calls it; undefined when it has no name. */
  readonly fileName: string | undefined;
  /** The file's bytes; can be read once. */
  chunks: AsyncIterable<Uint8Array>;
}

export interface FormLimits {
  fields: readonly string[];
  fileField: string;
  /** Then a form without it is read to its end. */
  fileIsOptional?: boolean;
  /** Of the whole body. */
  maxBytes: number;
}

/**
 * Reads up to the beginning of the file and hands the form to `use`. A client that is still sending reads no answer, so
 * what `use` has left of the body, up to its limit, is read and dropped.
 */
export async function withUploadForm<T>(
  request: Request,
  limits: FormLimits,
  use: (form: UploadForm) => Promise<T>,
): Promise<T> {
  const contentType = request.headers.get("content-type") ?? "";
  if (!/^multipart\/form-data\s*(;|$)/i.test(contentType)) {
    throw new DomainError("unsupported_media_type", "send this as multipart/form-data");
  }
  const form = new FormReader(request, contentType, limits);
  try {
    await form.openFile();
    return await use(form);
  } finally {
    await form.drain();
  }
}

/** The whole file, for the small ones. */
export async function wholeFile(form: UploadForm, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of form.chunks) {
    size += chunk.byteLength;
    if (size > maxBytes) {
      throw new DomainError("payload_too_large", `the file is over the limit of ${String(maxBytes)} bytes`, {
        field: "file",
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

class FormReader implements UploadForm {
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly #body: AsyncGenerator<Uint8Array, void, undefined>;
  readonly #parser: { write(chunk: Uint8Array): void; end(): void };
  readonly #limits: FormLimits;
  readonly #fields = new Map<string, string>();
  #ready: Uint8Array[] = [];
  #fileOpened = false;
  #fileName: string | undefined;
  #done = false;
  #error: DomainError | null = null;
  /** Dashes held back from the parser, which does not see a closing delimiter split between its two dashes. */
  #held = 0;

  constructor(request: Request, contentType: string, limits: FormLimits) {
    this.#limits = limits;
    this.#body = limitedBody(request, limits.maxBytes);
    this.chunks = this.#readFile();
    this.#parser = make({
      headers: { "content-type": contentType },
      maxFieldSize: MAX_FIELD_BYTES,
      isFile: (part) => part.name === limits.fileField,
      onField: (part, value) => {
        this.#takeField(part, value);
      },
      onFile: (part) => this.#takeFile(part),
      onError: (error) => {
        if (!this.#done) this.#error ??= broken(error);
      },
      onDone: () => {
        this.#done = true;
      },
    });
  }

  get hasFile(): boolean {
    return this.#fileOpened;
  }

  get fileName(): string | undefined {
    return this.#fileName;
  }

  required(name: string): string {
    const value = this.#fields.get(name);
    if (value !== undefined) return value;
    throw invalid(name, this.#done ? "is required" : `is required, and must come before '${this.#limits.fileField}'`);
  }

  optional(name: string): string | undefined {
    return this.#fields.get(name);
  }

  async openFile(): Promise<void> {
    while (!this.#fileOpened && (await this.#pull())) continue;
    if (!this.#fileOpened && !this.#limits.fileIsOptional)
      throw invalid(this.#limits.fileField, "is required: the form has no such file");
  }

  async drain(): Promise<void> {
    while (!(await this.#body.next()).done) continue;
  }

  async *#readFile(): AsyncGenerator<Uint8Array, void, undefined> {
    do {
      const ready = this.#ready;
      this.#ready = [];
      yield* ready;
    } while (await this.#pull());
  }

  /** Feeds the parser one chunk; false after the last. */
  async #pull(): Promise<boolean> {
    const next = await this.#body.next();
    if (next.done) {
      if (this.#held > 0) this.#write(new Uint8Array(this.#held).fill(DASH));
      this.#parser.end();
      if (!this.#done) this.#error ??= new DomainError("invalid_request", "the form ends before its closing boundary");
    } else {
      this.#feed(next.value);
    }
    if (this.#error) throw this.#error;
    return !next.done;
  }

  #feed(chunk: Uint8Array): void {
    const bytes = this.#held === 0 ? chunk : Buffer.concat([new Uint8Array(this.#held).fill(DASH), chunk]);
    this.#held = 0;
    while (this.#held < 2 && bytes[bytes.byteLength - 1 - this.#held] === DASH) this.#held += 1;
    const whole = bytes.subarray(0, bytes.byteLength - this.#held);
    if (whole.byteLength > 0) this.#write(whole);
  }

  #write(bytes: Uint8Array): void {
    try {
      this.#parser.write(bytes);
    } catch (error) {
      // From a file name that is not well-formed percent-encoding.
      if (!(error instanceof URIError)) throw error;
      this.#error ??= new DomainError("invalid_request", "the multipart form is not well formed");
    }
  }

  #takeField(part: PartInfo, value: Uint8Array): void {
    if (!this.#limits.fields.includes(part.name)) {
      this.#error ??= invalid(part.name, "is not a field of this form");
    } else if (this.#fields.has(part.name)) {
      this.#error ??= invalid(part.name, "is sent twice");
    } else {
      this.#fields.set(part.name, decodeField(part, value));
    }
  }

  #takeFile(part: PartInfo): (chunk: Uint8Array | null) => void {
    if (this.#fileOpened) this.#error ??= invalid(part.name, "is sent twice");
    this.#fileOpened = true;
    this.#fileName = named(part.filename);
    return (chunk) => {
      if (chunk !== null && chunk.byteLength > 0) this.#ready.push(chunk);
    };
  }
}

/** The last part of what may be a path; nothing that is no text or only fills a row. */
function named(filename: string | undefined): string | undefined {
  const name = filename?.split(/[\\/]/).at(-1)?.trim().toWellFormed() ?? "";
  return name === "" || name.length > MAX_FILE_NAME_CHARS ? undefined : name;
}

function broken(error: MultipartError): DomainError {
  switch (error._tag) {
    case "InvalidBoundary":
      return new DomainError("unsupported_media_type", "the multipart Content-Type has no boundary");
    case "ReachedLimit":
      return new DomainError("invalid_request", `a field of the form is over ${String(MAX_FIELD_BYTES)} bytes`);
    case "BadHeaders":
    case "InvalidDisposition":
    case "EndNotReached":
      return new DomainError("invalid_request", "the multipart form is not well formed");
  }
}
