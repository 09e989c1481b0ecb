/**
 * What an agent that died left in the state directory. A starting agent takes the directory for itself, ends the
 * trainers that are still there (their life pipe should have done so) and removes their files. A process is ended only
 * when it is surely ours: the recorded start time is the leader's, or a member of its session carries our mark.
 */
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Log } from "./log";
import type { StatePaths } from "./paths";
import { hasInEnvironment, sessionEnds, sessionMembers, signalGroup, statOf } from "./process-table";

export const processFile = z.object({ pid: z.int().min(2), start_ticks: z.string(), mark: z.string() });
export type ProcessFile = z.infer<typeof processFile>;

/** A killed process is gone in milliseconds unless it hangs in a driver; then we go on without it. */
const KILLED_WITHIN_MS = 5_000;

/** Makes the state directory this process's own, what is in it private. Throws when another live agent has it. */
export async function takeStateDir(paths: StatePaths): Promise<() => Promise<void>> {
  for (const folder of [paths.tasks, paths.cache.files, paths.cache.hub]) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }
  const [pid = "", startTicks = ""] = (await readIfThere(paths.lock)).split(" ");
  const holder = pid === "" ? null : statOf(Number(pid));
  if (holder && holder.startTicks === startTicks && Number(pid) !== process.pid) {
    throw new Error(`another agent (process ${pid}) uses ${paths.root}; give this one its own --state-dir`);
  }
  await writeFile(paths.lock, `${process.pid} ${statOf(process.pid)?.startTicks ?? ""}`);
  return () => rm(paths.lock, { force: true });
}

/** Ends what is left of earlier tasks and removes their folders. */
export async function clearLeftovers(paths: StatePaths, log: Log): Promise<void> {
  for (const name of await readdir(paths.tasks)) {
    const root = join(paths.tasks, name);
    const recorded = await readRecord(join(root, "process.json"));
    if (recorded && isOurs(recorded)) {
      log.warn(`ending process group ${recorded.pid}, left behind by ${name}`);
      signalGroup(recorded.pid, "SIGKILL");
      if (!(await sessionEnds(recorded.pid, KILLED_WITHIN_MS))) log.warn(`process group ${recorded.pid} does not end`);
    }
    await rm(root, { recursive: true, force: true });
  }
}

function isOurs(recorded: ProcessFile): boolean {
  const leader = statOf(recorded.pid);
  if (leader && !leader.isZombie) return leader.startTicks === recorded.start_ticks;
  return sessionMembers(recorded.pid).some((pid) => hasInEnvironment(pid, recorded.mark));
}

async function readRecord(path: string): Promise<ProcessFile | null> {
  const text = await readIfThere(path);
  if (text === "") return null;
  try {
    return processFile.parse(JSON.parse(text));
  } catch {
    return null; // Half written: the agent died before its trainer was up, and the life pipe has ended that.
  }
}

async function readIfThere(path: string): Promise<string> {
  return readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    return "";
  });
}
