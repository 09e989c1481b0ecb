/**
 * A lock file for set-up work that two commands might begin at once. The holder touches it every few seconds; one that
 * was not touched for a minute is left over from a killed process and is taken over. (Not a process id: the cache may be
 * shared by containers, each with ids of its own.)
 */
import { open, rm, stat, utimes } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

const TOUCH_MS = 5_000;
const STALE_MS = 60_000;
const RETRY_MS = 500;

/** Waits for the lock, runs `work` while holding it. `onWait` is told once when another has it. */
export async function withFileLock<T>(file: string, onWait: () => void, work: () => Promise<T>): Promise<T> {
  let told = false;
  while (!(await acquire(file))) {
    if (!told) onWait();
    told = true;
    await sleep(RETRY_MS);
  }
  const touching = setInterval(() => {
    const now = new Date();
    utimes(file, now, now).catch((error: unknown) => {
      console.error(`the lock ${file} cannot be touched: ${String(error)}`);
    });
  }, TOUCH_MS);
  try {
    return await work();
  } finally {
    clearInterval(touching);
    await rm(file, { force: true });
  }
}

async function acquire(file: string): Promise<boolean> {
  try {
    await (await open(file, "wx")).close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const found = await stat(file).catch(() => null);
  if (found !== null && Date.now() - found.mtimeMs > STALE_MS) await rm(file, { force: true });
  return false;
}
