/** The parser of multipart forms, multipasta, as something to pull files from; with the names and the limits. */
import { decodeField, make, type MultipartError, type PartInfo } from "multipasta";
import { DomainError } from "../domain/errors";
import { limitedBody } from "./body-limit";

/** Fields are names and formats. */
const MAX_FIELD_BYTES = 16 * 1024;
const MAX_FILE_NAME_CHARS = 255;
const DASH = 45;

/** One file of a form. */
export interface FormFile {
  field: string;
  /** As its sender calls it; undefined when it has no name. */
  fileName: string | undefined;
  /** Its bytes; can be read once. */
  chunks: AsyncIterable<Uint8Array>;
}

export interface ReaderLimits {
  /** Each of them once at most. */
  fileFields: readonly string[];
  fields: readonly string[];
  /** Of the whole body. */
  maxBytes: number;
  /** What names an upload in pieces in a file's place; by default `upload_id`. */
  uploadFields?: readonly string[];
}

/** A file of which the parser has seen the head. */
class PartFile implements FormFile {
  readonly field: string;
  readonly fileName: string | undefined;
  readonly chunks: AsyncIterable<Uint8Array>;
  #ready: Uint8Array[] = [];
  #isWhole = false;
  #isDropped = false;

  constructor(part: PartInfo, pull: () => Promise<boolean>) {
    this.field = part.name;
    this.fileName = named(part.filename);
    this.chunks = this.#read(pull);
  }

  /** null: that was all of it. */
  push(chunk: Uint8Array | null): void {
    if (chunk === null) this.#isWhole = true;
    else if (chunk.byteLength > 0 && !this.#isDropped) this.#ready.push(chunk);
  }

  /** Nobody will read the rest. */
  drop(): void {
    this.#isDropped = true;
    this.#ready = [];
  }

  async *#read(pull: () => Promise<boolean>): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const ready = this.#ready;
      const isWhole = this.#isWhole;
      this.#ready = [];
      yield* ready;
      if (isWhole || !(await pull())) return;
    }
  }
}

export class FormReader {
  readonly fields = new Map<string, string>();
  readonly #body: AsyncGenerator<Uint8Array, void, undefined>;
  readonly #parser: { write(chunk: Uint8Array): void; end(): void };
  readonly #limits: ReaderLimits;
  readonly #seen = new Set<string>();
  #opened: PartFile[] = [];
  #current: PartFile | null = null;
  #done = false;
  #error: DomainError | null = null;
  /** Dashes held back from the parser, which does not see a closing delimiter split between its two dashes. */
  #held = 0;

  constructor(request: Request, limits: ReaderLimits) {
    const contentType = request.headers.get("content-type") ?? "";
    if (!/^multipart\/form-data\s*(;|$)/i.test(contentType)) {
      throw new DomainError("unsupported_media_type", "send this as multipart/form-data");
    }
    this.#limits = limits;
    this.#body = limitedBody(request, limits.maxBytes, limits.uploadFields);
    this.#parser = make({
      headers: { "content-type": contentType },
      maxFieldSize: MAX_FIELD_BYTES,
      isFile: (part) => limits.fileFields.includes(whole(part).name),
      onField: (part, value) => {
        this.#takeField(whole(part), value);
      },
      onFile: (part) => this.#takeFile(whole(part)),
      onError: (error) => {
        if (!this.#done) this.#error ??= broken(error);
      },
      onDone: () => {
        this.#done = true;
      },
    });
  }

  get isDone(): boolean {
    return this.#done;
  }

  /** The next file; null when the form has no more. */
  async openFile(): Promise<FormFile | null> {
    this.#current?.drop();
    while (this.#opened.length === 0 && (await this.#pull())) continue;
    this.#current = this.#opened.shift() ?? null;
    return this.#current;
  }

  async *files(): AsyncGenerator<FormFile, void, undefined> {
    for (let file = await this.openFile(); file !== null; file = await this.openFile()) yield file;
  }

  /** All that comes after the file that is read; throws what is wrong with it. */
  async readToEnd(): Promise<void> {
    while (await this.#pull()) continue;
  }

  async drain(): Promise<void> {
    while (!(await this.#body.next()).done) continue;
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
      this.#error ??= wrongPart(part, "is not a field of this form");
    } else if (this.fields.has(part.name)) {
      this.#error ??= wrongPart(part, "is sent twice");
    } else {
      this.fields.set(part.name, decodeField(part, value));
    }
  }

  #takeFile(part: PartInfo): (chunk: Uint8Array | null) => void {
    if (this.#seen.has(part.name)) this.#error ??= wrongPart(part, "is sent twice");
    this.#seen.add(part.name);
    const file = new PartFile(part, () => this.#pull());
    this.#opened.push(file);
    return (chunk) => {
      file.push(chunk);
    };
  }
}

/** The parser reads no header with a character beyond Latin-1, which people's file names have. */
function whole(part: PartInfo): PartInfo {
  if (part.name !== "") return part;
  const header = [part.headers["content-disposition"] ?? ""].flat().join("; ");
  const [name = "", filename] = [/; *name="([^"]*)"/i, /; *filename="([^"]*)"/i].map(
    (named) => named.exec(header)?.[1],
  );
  return { ...part, name, filename: part.filename ?? filename };
}

/** Of the form, and not of the file that is read while this part comes. */
function wrongPart({ name }: PartInfo, message: string): DomainError {
  const issue = { in: "body" as const, path: [name], code: "custom", message };
  return new DomainError("invalid_request", message, { field: name, issues: [issue] });
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
