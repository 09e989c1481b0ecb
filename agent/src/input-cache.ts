/**
 * Inputs that outlive their task, by SHA-256: a lease names the hash, so only who may have the bytes can ask for them.
 * A task gets a copy of its own, hashed while it is copied: whatever happened to the kept file, a task never trains on
 * other bytes than its lease names. A download that broke off, with its task or its agent, goes on where it stopped.
 */
import { createHash } from "node:crypto";
import { open, mkdir, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Download } from "../../protocol";
import type { CacheSpace } from "./cache-space";
import { downloadFile, IntegrityError, type DownloadDeps } from "./download";
import type { Log } from "./log";

/** A kept file that has gone bad is fetched once more. */
const MAX_TRIES = 2;
const COPY_BUFFER_BYTES = 1024 * 1024;

export class InputCache {
  private readonly busy = new Map<string, Promise<void>>();

  constructor(
    private readonly space: CacheSpace,
    private readonly log: Log,
  ) {}

  /** Puts the file at `path`, which is the caller's own; size and hash are those promised. */
  async fetch(source: Download, path: string, deps: DownloadDeps, signal: AbortSignal): Promise<void> {
    if (source.size > this.space.maxBytes) return downloadFile(source, path, deps, signal);
    // One task at a time fetches a file; the next finds it here, or tries itself when the first could not.
    const before = this.busy.get(source.sha256) ?? Promise.resolve();
    const work = before.then(() => this.fetchKept(source, path, deps, signal));
    const settled = work.catch(() => undefined);
    this.busy.set(source.sha256, settled);
    try {
      await work;
    } finally {
      if (this.busy.get(source.sha256) === settled) this.busy.delete(source.sha256);
    }
  }

  private async fetchKept(source: Download, path: string, deps: DownloadDeps, signal: AbortSignal): Promise<void> {
    const kept = this.space.pathOf(source.sha256);
    const partial = `${kept}.part`;
    const releases = [this.space.hold(kept), this.space.hold(partial)];
    try {
      for (let tries = 1; ; tries += 1) {
        if (!(await isThere(kept))) await this.download(source, kept, partial, deps, signal);
        const sha256 = await copyHashed(kept, path, signal);
        if (sha256 === source.sha256) return;
        await rm(kept, { force: true });
        this.log.warn(`a kept file was not what its name says and is fetched again: ${source.sha256}`);
        if (tries >= MAX_TRIES) throw new IntegrityError(`SHA-256 is ${sha256}, not ${source.sha256}`);
      }
    } finally {
      for (const release of releases) await release();
    }
  }

  private async download(
    source: Download,
    kept: string,
    partial: string,
    deps: DownloadDeps,
    signal: AbortSignal,
  ): Promise<void> {
    await mkdir(dirname(kept), { recursive: true, mode: 0o700 });
    await this.space.makeRoom(source.size);
    await downloadFile(source, partial, deps, signal);
    await rename(partial, kept);
  }
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
      return false;
    },
  );
}

/** Copies and tells the SHA-256 of what it copied, in one pass. */
async function copyHashed(from: string, to: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  const [source, target] = [await open(from, "r"), await open(to, "w")];
  try {
    const buffer = Buffer.alloc(COPY_BUFFER_BYTES);
    for (;;) {
      signal.throwIfAborted();
      const { bytesRead } = await source.read(buffer, 0, COPY_BUFFER_BYTES);
      if (bytesRead === 0) return hash.digest("hex");
      const bytes = buffer.subarray(0, bytesRead);
      hash.update(bytes);
      await target.writeFile(bytes);
    }
  } finally {
    await Promise.all([source.close(), target.close()]);
  }
}
