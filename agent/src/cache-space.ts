/**
 * The disk that a host keeps between tasks: `files/` has inputs by their SHA-256, `hub/` is the hub library's own
 * folder, one entry a model. What was used longest ago goes first when the bound is reached; what a task holds stays.
 */
import { lstat, mkdir, readdir, rm, statfs, utimes } from "node:fs/promises";
import { join } from "node:path";
import type { BaseModelRef } from "../../protocol";

const GIB = 1024 * 1024 * 1024;

export interface CachePaths {
  readonly files: string;
  readonly hub: string;
}

interface Entry {
  readonly path: string;
  readonly bytes: number;
  readonly usedAtMs: number;
}

export class CacheSpace {
  private readonly holders = new Map<string, number>();

  constructor(
    private readonly paths: CachePaths,
    readonly maxBytes: number,
  ) {}

  /** Where the file of this hash is, or would be. */
  pathOf(sha256: string): string {
    return join(this.paths.files, sha256);
  }

  /** Keeps an entry from being removed until the answer is called, which is then its last use. */
  hold(path: string): () => Promise<void> {
    this.holders.set(path, (this.holders.get(path) ?? 0) + 1);
    return async () => {
      const left = (this.holders.get(path) ?? 0) - 1;
      if (left > 0) this.holders.set(path, left);
      else this.holders.delete(path);
      const now = new Date();
      await utimes(path, now, now).catch(ignoreAbsent);
    };
  }

  /** Keeps a hub's model for a task. When that is over, the bound holds again, whatever the task has downloaded. */
  holdModel(base: BaseModelRef): () => Promise<void> {
    // The names below the folder of HF_HOME are the hub library's own.
    const name = base.kind === "hub" ? `models--${base.id.replaceAll("/", "--")}` : null;
    const release = name === null ? null : this.hold(join(this.paths.hub, "hub", name));
    return async () => {
      await release?.();
      await this.makeRoom(0);
    };
  }

  /** Removes what was used longest ago until so many bytes more are within the bound, or nothing is left to remove. */
  async makeRoom(bytes: number): Promise<void> {
    const entries = await this.entries();
    let total = entries.reduce((sum, entry) => sum + entry.bytes, bytes);
    for (const entry of entries.sort((a, b) => a.usedAtMs - b.usedAtMs)) {
      if (total <= this.maxBytes) return;
      if (this.holders.has(entry.path)) continue;
      await rm(entry.path, { recursive: true, force: true });
      total -= entry.bytes;
    }
  }

  private async entries(): Promise<Entry[]> {
    const folders = [this.paths.files, join(this.paths.hub, "hub")];
    const paths = await Promise.all(
      folders.map(async (folder) => (await namesIn(folder)).map((name) => join(folder, name))),
    );
    const entries = await Promise.all(paths.flat().map(entryOf));
    return entries.filter((entry) => entry !== null);
  }
}

/** The bound where none is set: 20 GiB, or a tenth of a smaller disk. */
export async function defaultCacheBytes(root: string): Promise<number> {
  await mkdir(root, { recursive: true });
  const { blocks, bsize } = await statfs(root);
  return Math.min(20 * GIB, Math.floor((blocks * bsize) / 10));
}

async function entryOf(path: string): Promise<Entry | null> {
  const stat = await lstat(path).catch(ignoreAbsent);
  if (!stat) return null;
  return { path, bytes: stat.isDirectory() ? await bytesBelow(path) : stat.size, usedAtMs: stat.mtimeMs };
}

/** Of the files in a folder and its folders. */
export async function bytesBelow(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    // Links, of which the hub's snapshots consist, point to what is counted already.
    if (entry.isFile()) bytes += (await lstat(join(entry.parentPath, entry.name)).catch(ignoreAbsent))?.size ?? 0;
  }
  return bytes;
}

async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(ignoreAbsent)) ?? [];
}

function ignoreAbsent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
  return undefined;
}
