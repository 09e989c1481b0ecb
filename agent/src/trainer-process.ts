/**
 * One trainer process: its own session and process group, its line descriptor, and the life pipe that this agent holds
 * open and never writes to. However the trainer ends, its whole group is killed after it, so that nothing it spawned
 * outlives it. The exit says whether we had asked for it.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { Readable } from "node:stream";
import type { Clock } from "./clock";
import type { ProcessFile } from "./leftovers";
import type { TaskPaths } from "./paths";
import { signalGroup, statOf } from "./process-table";
import { trainerEnv, type TrainerCommand } from "./trainer-env";

const REPORT_FD = 3;
const LIFE_FD = 4;

/** After its end a trainer's output may still be held by a process that left its group; we read on while it flows. */
const QUIET_AFTER_EXIT_MS = 1_000;

export interface TrainerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** We had sent a signal before it ended. */
  readonly asked: boolean;
}

export interface TrainerProcess {
  readonly pid: number;
  readonly reports: Readable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exited: Promise<TrainerExit>;
  /**
   * SIGTERM to the trainer, which passes it on as it needs (a reward function in its group must live to score the step
   * that is being saved), and SIGKILL for the group after the grace. Asking again may only shorten the grace.
   */
  stop(graceMs: number): void;
  /** Has every thread's stack written to stderr, by this process and its ranks. */
  dumpStacks(): void;
}

export interface SpawnDeps {
  readonly command: TrainerCommand;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  /** For this process alone, beside what of `env` it gets. */
  readonly ownEnv?: Record<string, string>;
}

/** A trainer's process as it was spawned, before anybody watches over it. */
export interface SpawnedTrainer {
  readonly child: ChildProcess;
  readonly record: ProcessFile;
}

/** Starts the trainer on `paths.config`; rejects when it cannot be started at all. */
export async function startTrainer(leaseId: string, paths: TaskPaths, deps: SpawnDeps): Promise<TrainerProcess> {
  const spawned = await spawnTrainer(leaseId, paths, [paths.config], {}, deps);
  return supervise(spawned, deps.clock);
}

/** Spawns it in the folders of `paths`, where its process is recorded for `leftovers.ts`. `pipes` are further ones. */
export async function spawnTrainer(
  id: string,
  paths: TaskPaths,
  asked: readonly string[],
  pipes: Readonly<Record<string, number>>,
  { command: { command, args, pythonPath }, env, ownEnv }: SpawnDeps,
): Promise<SpawnedTrainer> {
  makeFolders(paths);
  const descriptors = { ANNEAL_REPORT_FD: REPORT_FD, ANNEAL_LIFE_FD: LIFE_FD, ...pipes };
  const child = spawn(command, [...args, ...asked], {
    cwd: paths.output,
    detached: true,
    stdio: ["ignore", "pipe", "pipe", ...Object.keys(descriptors).map(() => "pipe" as const)],
    env: trainerEnv(env, {
      ...Object.fromEntries(Object.entries(descriptors).map(([name, fd]) => [name, String(fd)])),
      PYTHONPATH: pythonPath,
      ...taskEnv(id, paths),
      ...ownEnv,
    }),
  });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
  const pid = child.pid ?? 0;
  const record = { pid, start_ticks: statOf(pid)?.startTicks ?? "", mark: `ANNEAL_TASK=${id}` };
  try {
    writeFileSync(paths.process, JSON.stringify(record));
  } catch (error) {
    signalGroup(pid, "SIGKILL"); // Nobody will watch over it.
    throw error;
  }
  return { child, record };
}

export function makeFolders(paths: TaskPaths): void {
  for (const dir of [paths.output, paths.tmp]) mkdirSync(dir, { recursive: true });
}

/** What of a trainer's environment is its task's. */
export function taskEnv(id: string, paths: TaskPaths): Record<string, string> {
  return { ANNEAL_TASK: id, TMPDIR: paths.tmp };
}

export function supervise({ child, record: { pid } }: SpawnedTrainer, clock: Clock): TrainerProcess {
  const [, stdout, stderr, reports, life] = child.stdio;
  if (!(stdout instanceof Readable) || !(stderr instanceof Readable) || !(reports instanceof Readable)) {
    throw new Error("the trainer has no pipes");
  }
  life?.on("error", () => undefined); // The trainer may close its end; only ours matters.
  let asked = false;
  let hasExited = false;
  const over = new AbortController();
  const exited = new Promise<TrainerExit>((resolve) => {
    child.once("exit", (code, signal) => {
      hasExited = true;
      over.abort();
      signalGroup(pid, "SIGKILL");
      for (const stream of [stdout, stderr, reports]) void endWhenQuiet(stream, clock);
      resolve({ code, signal, asked });
    });
  });
  const stop = (graceMs: number): void => {
    if (hasExited) return;
    asked = true;
    if (graceMs > 0) child.kill("SIGTERM");
    void clock.sleep(graceMs, over.signal).then(() => {
      if (!hasExited) signalGroup(pid, "SIGKILL");
    });
  };
  const dumpStacks = (): void => {
    if (!hasExited) signalGroup(pid, "SIGUSR1");
  };
  return { pid, reports, stdout, stderr, exited, stop, dumpStacks };
}

async function endWhenQuiet(stream: Readable, clock: Clock): Promise<void> {
  let read = -1;
  const bytesRead = (): number => ("bytesRead" in stream ? Number(stream.bytesRead) : 0);
  while (!stream.readableEnded && !stream.destroyed) {
    if (stream.readableLength === 0 && bytesRead() === read) stream.destroy();
    read = bytesRead();
    await clock.sleep(QUIET_AFTER_EXIT_MS);
  }
}

/** A stream's chunks; one that we ended ourselves just ends. */
export async function* chunksOf(stream: Readable): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of stream) yield Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
  }
}
