/** Hashes of files, off the main thread: gigabytes of them must not delay a heartbeat. */
import { URL } from "node:url";
import { Worker } from "node:worker_threads";

export interface HashRequest {
  readonly path: string;
  /** Sizes of the parts, in order; together the file's size. */
  readonly partBytes: readonly number[];
}

export interface FileHashes {
  readonly sha256: string;
  readonly partMd5s: readonly string[];
}

/** One answer for each request, in order. */
export function hashFiles(requests: readonly HashRequest[], signal: AbortSignal): Promise<FileHashes[]> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./hash-worker.ts", import.meta.url), {
      workerData: requests,
      execArgv: [], // Loaders of the main thread would only cost the thread a tenth of a second.
    });
    const abort = (): void => void worker.terminate();
    signal.addEventListener("abort", abort, { once: true });
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", (code) => {
      signal.removeEventListener("abort", abort);
      reject(new Error(`the hashing thread ended with ${code}`)); // Without effect after an answer.
    });
  });
}
