/** What runs on this machine, as Linux tells it. */
import { readdirSync, readFileSync } from "node:fs";

export function isAlive(pid: number): boolean {
  const stat = read(pid, "stat");
  const state = stat.slice(stat.lastIndexOf(")") + 2)[0];
  return state !== undefined && state !== "Z";
}

export function childrenOf(pid: number): number[] {
  return read(pid, `task/${String(pid)}/children`)
    .split(" ")
    .filter(Boolean)
    .map(Number);
}

export function commandOf(pid: number): string {
  return read(pid, "cmdline").replaceAll("\0", " ");
}

/** The command lines that have `text` in them. */
export function commandsWith(text: string): string[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map((pid) => commandOf(Number(pid))).filter((command) => command.includes(text));
}

/** Empty for a process that is not there any more. */
function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${String(pid)}/${file}`, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return "";
    throw error;
  }
}
