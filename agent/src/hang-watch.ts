/**
 * Notices a trainer that no longer gets anywhere: no step for as long as the spec allows. Only time in which this agent
 * waits for the trainer counts, so neither an outage that fills the spool nor a machine that slept is a hang. What it tells
 * of its tests counts as a step. Before the first step (a model of a hub may be coming in) and after the last one (the
 * model is written) the bound is an hour at least, and files that change below the output folder are a sign of life at
 * any time: a checkpoint is being saved.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { TrainerLine } from "../../protocol";
import type { Clock } from "./clock";
import type { ReadLine } from "./trainer-lines";

/** Between looks at the clock; a bound is kept to within this. */
const LOOK_EVERY_MS = 1_000;
const MIN_START_MS = 3_600_000;

export interface HangWatchDeps {
  readonly clock: Clock;
  readonly limitMs: number;
  /** When something below the output folder was last written; null when nothing is there. */
  readonly lastWriteMs: () => Promise<number | null>;
}

export class HangWatch {
  private quietMs = 0;
  private step = 0;
  private isTraining = false;
  private testing: { done: number; total: number } | null = null;
  private isBusyHere = false;

  constructor(private readonly deps: HangWatchDeps) {}

  /** Passes the trainer's lines on and notes what they say of its life. */
  async *over(lines: AsyncIterable<ReadLine>): AsyncGenerator<ReadLine> {
    for await (const read of lines) {
      if ("line" in read) this.note(read.line);
      this.isBusyHere = true;
      yield read;
      this.isBusyHere = false;
    }
  }

  /** Resolves with what to say of it when the trainer hangs, with null when `over` aborts first. */
  async run(over: AbortSignal): Promise<string | null> {
    const { clock } = this.deps;
    for (let beforeMs = clock.now(); ; beforeMs = clock.now()) {
      await clock.sleep(LOOK_EVERY_MS, over);
      if (over.aborted) return null;
      // A longer sleep than was asked for was this agent's or its machine's.
      if (!this.isBusyHere) this.quietMs += Math.min(clock.now() - beforeMs, 2 * LOOK_EVERY_MS);
      if (this.quietMs >= this.limitMs && !(await this.hasWritten()) && !over.aborted) return this.describe();
    }
  }

  private get limitMs(): number {
    return this.isTraining ? this.deps.limitMs : Math.max(this.deps.limitMs, MIN_START_MS);
  }

  private note(line: TrainerLine): void {
    if (line.type === "notice" || line.type === "event") return;
    this.quietMs = 0;
    if (line.type === "testing") {
      this.testing = line;
      this.isTraining = line.done < line.total;
    }
    if (line.type !== "progress") return;
    this.step = line.step;
    this.isTraining = line.step < line.total_steps;
  }

  private async hasWritten(): Promise<boolean> {
    const writtenAtMs = await this.deps.lastWriteMs();
    const agoMs = writtenAtMs === null ? Infinity : Math.max(0, this.deps.clock.now() - writtenAtMs);
    if (agoMs >= this.quietMs) return false;
    this.quietMs = agoMs;
    return true;
  }

  private get where(): string {
    if (this.testing) return `after ${this.testing.done} of ${this.testing.total} tests`;
    return this.step === 0 ? "before the first step" : `after step ${this.step}`;
  }

  private describe(): string {
    const seconds = Math.round(this.quietMs / 1000);
    return `the trainer got nowhere for ${seconds} s ${this.where}; the stacks of its threads are at the end of its log`;
  }
}

/** The newest file below a folder, by its time of change. Files and folders come and go while we look. */
export async function newestWriteMs(folder: string): Promise<number | null> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []); // As uploaded checkpoints do.
  const times = await Promise.all(
    entries.map((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? newestWriteMs(path) : writtenMs(path);
    }),
  );
  const known = times.filter((time) => time !== null);
  return known.length === 0 ? null : Math.max(...known);
}

function writtenMs(path: string): Promise<number | null> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => null,
  );
}
