/**
 * multipart/form-data with one file or several, parsed as it streams: a file is never held, its chunks are pulled by whoever
 * stores them. Text fields may come before or after the file; those after it are known once the file has been read to its end.
 */
import { DomainError, invalid } from "../domain/errors";
import { FormReader, type FormFile, type ReaderLimits } from "./form-reader";

export type { FormFile } from "./form-reader";

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
 * Hands the files to `use` as they come, in whatever order. What is left of one is dropped when the next is asked for, and
 * what `use` has left of the body is read and dropped, as below.
 */
export async function withFilesForm<T>(
  request: Request,
  limits: Omit<ReaderLimits, "fields">,
  use: (files: AsyncIterable<FormFile>) => Promise<T>,
): Promise<T> {
  const form = new FormReader(request, { ...limits, fields: [] });
  try {
    return await use(form.files());
  } finally {
    await form.drain();
  }
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
  const { fileField, fileIsOptional = false, ...rest } = limits;
  const form = new FormReader(request, { ...rest, fileFields: [fileField] });
  try {
    return await use(new OneFileForm(form, fileField, await form.openFile(), fileIsOptional));
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

class OneFileForm implements UploadForm {
  readonly hasFile: boolean;
  readonly fileName: string | undefined;
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly #reader: FormReader;
  readonly #fileField: string;

  constructor(reader: FormReader, fileField: string, file: FormFile | null, fileIsOptional: boolean) {
    if (file === null && !fileIsOptional) throw invalid(fileField, "is required: the form has no such file");
    this.hasFile = file !== null;
    this.fileName = file?.fileName;
    this.chunks = readWithTheRest(reader, file);
    this.#reader = reader;
    this.#fileField = fileField;
  }

  required(name: string): string {
    const value = this.#reader.fields.get(name);
    if (value !== undefined) return value;
    throw invalid(name, this.#reader.isDone ? "is required" : `is required, and must come before '${this.#fileField}'`);
  }

  optional(name: string): string | undefined {
    return this.#reader.fields.get(name);
  }
}

/** The file, and then the fields behind it. */
async function* readWithTheRest(
  reader: FormReader,
  file: FormFile | null,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (file) yield* file.chunks;
  await reader.readToEnd();
}
