/** How much memory workerd, or an agent, takes while something runs, as Linux counts it. */
import { readFileSync } from "node:fs";
import { childrenOf, commandOf } from "../test/harness/processes";

const EVERY_MS = 50;
const MIB = 2 ** 20;

export interface Watched<T> {
  result: T;
  /** Resident MiB of the processes: before `work`, and the most while it ran. */
  beforeMib: number;
  peakMib: number;
}

/** Of the processes below `pid` whose command has `part` in it. */
export async function watchMemory<T>(pid: number, work: () => Promise<T>, part = "workerd"): Promise<Watched<T>> {
  const watched = [pid, ...descendants(pid)].filter((one) => commandOf(one).includes(part));
  if (watched.length === 0) throw new Error(`there is no process of ${part}`);
  const now = (): number => watched.reduce((sum, one) => sum + residentBytes(one), 0) / MIB;
  const beforeMib = now();
  let peakMib = beforeMib;
  const sampling = setInterval(() => {
    peakMib = Math.max(peakMib, now());
  }, EVERY_MS);
  try {
    const result = await work();
    return { result, beforeMib, peakMib: Math.max(peakMib, now()) };
  } finally {
    clearInterval(sampling);
  }
}

/** The most while `work` ran, less what it was before. */
export async function growthMib(pid: number, work: () => Promise<unknown>): Promise<number> {
  const { beforeMib, peakMib } = await watchMemory(pid, work);
  return peakMib - beforeMib;
}

function descendants(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendants(child)]);
}

function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${String(pid)}/status`, "utf8"))?.[1];
  return Number(kib ?? 0) * 1024;
}
