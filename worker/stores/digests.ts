/** Hashing as bytes go by: nothing is held. */
import { createHash } from "node:crypto";
import { largeChunks } from "../domain/large-chunks";

export async function sha256Hex(bytes: Uint8Array | string): Promise<string> {
  const data = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", data)));
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class RunningDigest {
  readonly #hash;
  #sizeBytes = 0;

  constructor(algorithm: "sha256" | "md5") {
    this.#hash = createHash(algorithm);
  }

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.#sizeBytes += chunk.byteLength;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  hex(): string {
    return this.#hash.digest("hex");
  }
}

/** SHA-256 and size of a stream, read to its end. */
export async function digestStream(stream: ReadableStream<Uint8Array>): Promise<{ sha256: string; sizeBytes: number }> {
  const digest = new RunningDigest("sha256");
  for await (const chunk of largeChunks(stream)) digest.update(chunk);
  return { sizeBytes: digest.sizeBytes, sha256: digest.hex() };
}

/** MD5 of a stream in Base64, by the platform's own code: no turn of JavaScript for its chunks. */
export async function md5Base64(stream: ReadableStream<Uint8Array>): Promise<string> {
  const digest = new crypto.DigestStream("MD5");
  await stream.pipeTo(digest);
  return Buffer.from(await digest.digest).toString("base64");
}
