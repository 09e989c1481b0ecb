/** How much memory workerd takes while something runs, as Linux counts it. */
import { readFileSync } from "node:fs";
import { childrenOf, commandOf } from "../test/harness/processes";

const EVERY_MS = 50;
const MIB = 2 ** 20;

/** Resident MiB of all workerd processes below `pid`: the most while `work` ran, less those before it. */
export async function growthMib(pid: number, work: () => Promise<unknown>): Promise<number> {
  const workers = descendants(pid).filter((one) => commandOf(one).includes("workerd"));
  if (workers.length === 0) throw new Error("there is no workerd");
  const now = (): number => workers.reduce((sum, one) => sum + residentBytes(one), 0) / MIB;
  const before = now();
  let most = before;
  const sampling = setInterval(() => {
    most = Math.max(most, now());
  }, EVERY_MS);
  try {
    await work();
  } finally {
    clearInterval(sampling);
  }
  return Math.max(most, now()) - before;
}

function descendants(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendants(child)]);
}

function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${String(pid)}/status`, "utf8"))?.[1];
  return Number(kib ?? 0) * 1024;
}
