/** How much memory workerd takes while something runs, as Linux counts it. */
import { readFileSync } from "node:fs";
import { childrenOf, commandOf } from "../test/harness/processes";

const EVERY_MS = 50;
const MIB = 2 ** 20;

export interface Watched<T> {
  result: T;
  /** Resident MiB of all workerd processes below `pid`: before `work`, and the most while it ran. */
  beforeMib: number;
  peakMib: number;
}

export async function watchMemory<T>(pid: number, work: () => Promise<T>): Promise<Watched<T>> {
  const workers = descendants(pid).filter((one) => commandOf(one).includes("workerd"));
  if (workers.length === 0) throw new Error("there is no workerd");
  const now = (): number => workers.reduce((sum, one) => sum + residentBytes(one), 0) / MIB;
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
