/** What /proc says of processes, so that a number read from a file is not mistaken for a process that took it over. */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

interface ProcessStat {
  readonly group: number;
  readonly session: number;
  /** Clock ticks since boot. */
  readonly startTicks: string;
  readonly isZombie: boolean;
}

/** null: there is no such process, or no /proc here. */
export function statOf(pid: number): ProcessStat | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return null; // It is gone, which is an answer.
  }
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return {
    isZombie: fields[0] === "Z",
    group: Number(fields[2]),
    session: Number(fields[3]),
    startTicks: fields[19] ?? "",
  };
}

/** Live processes of a session: what a trainer and all that it spawned are. */
export function sessionMembers(session: number): number[] {
  return listPids().filter((pid) => {
    const stat = statOf(pid);
    return stat !== null && stat.session === session && !stat.isZombie;
  });
}

export function hasInEnvironment(pid: number, entry: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(entry);
  } catch {
    return false; // Gone, or another user's: not ours either way.
  }
}

function listPids(): number[] {
  try {
    return readdirSync("/proc").map(Number).filter(Number.isInteger);
  } catch {
    return []; // No /proc on this system.
  }
}

/** Signals every process of the group; false when there is none left. */
export function signalGroup(group: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

/** Waits until no live process is in the session; false when some still is after `withinMs`. */
export async function sessionEnds(session: number, withinMs: number): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < withinMs; waitedMs += 20) {
    if (sessionMembers(session).length === 0) return true;
    await pause(20);
  }
  return false;
}
