/** A file as the body of a request, with a line of progress while it goes out. */
import { constants, openAsBlob } from "node:fs";
import { access } from "node:fs/promises";
import type { ApiClient } from "../api";
import { CliFailure } from "./failure";
import { request } from "./request";
import { anything } from "./shapes";
import { withProgress } from "./with-progress";

/** Smaller files are gone before a line could be read. */
const SHOWN_FROM_BYTES = 4 * 1024 * 1024;

export async function uploadFile(api: ApiClient, target: string, file: string): Promise<Record<string, unknown>> {
  await access(file, constants.R_OK).catch(unreadable(file));
  const blob = await openAsBlob(file);
  const headers = { "content-type": "application/jsonl" };
  if (blob.size < SHOWN_FROM_BYTES) return request(api, "POST", target, anything, { body: blob, headers });
  return withProgress(`uploading ${file}`, blob.size, async (progress) => {
    let sent = 0;
    const counter = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        sent += chunk.byteLength;
        progress.update(sent);
        controller.enqueue(chunk);
      },
    });
    const body = blob.stream().pipeThrough(counter);
    const result = await request(api, "POST", target, anything, { body, headers });
    return { result, summary: `${String(sent)} bytes sent` };
  });
}

export function unreadable(file: string): (error: unknown) => never {
  return (error) => {
    throw new CliFailure(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  };
}
