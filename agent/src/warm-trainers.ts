/**
 * Keeps one trainer waiting for each idle slot, so that a job need not wait for torch to be imported. It is used once:
 * jobs share no process. Where there is none (just started, died, too little memory, several GPUs, which need a process
 * each) a task gets a fresh trainer, and nothing else is different.
 */
import { rm } from "node:fs/promises";
import type { SlotInfo } from "../../protocol";
import { describeError, type Log } from "./log";
import type { StatePaths, TaskPaths } from "./paths";
import { startTrainer, type SpawnDeps, type TrainerProcess } from "./trainer-process";
import { startWaitingTrainer, type WaitingTrainer } from "./waiting-trainer";

/** Its imports take about half a gigabyte, with CUDA's libraries one; the machine has other uses for its last two. */
const MIN_FREE_BYTES = 2 * 1024 * 1024 * 1024;
/** What ended by itself would probably do so again. */
const PAUSE_AFTER_DEATH_MS = 300_000;

export interface WarmTrainersDeps extends SpawnDeps {
  /** Off: every task gets a fresh trainer. */
  readonly warmTrainer: boolean;
  readonly torchThreads: number | null;
  readonly paths: StatePaths;
  readonly log: Log;
  /** Called with each trainer while it runs, so that the agent's last resort can end it. */
  readonly onStart: (trainer: TrainerProcess) => () => void;
  /** Bytes that could be allocated now. */
  readonly freeMemory: () => number;
}

interface Place {
  readonly paths: TaskPaths;
  /** null when it could not be started. */
  readonly started: Promise<WaitingTrainer | null>;
}

export class WarmTrainers {
  private readonly places = new Map<string, Place>();
  private pausedUntilMs = -Infinity;
  /** Each has folders of its own, so that those of the one before can go in their own time. */
  private count = 0;

  constructor(private readonly deps: WarmTrainersDeps) {}

  /** These slots have nothing to do. */
  keep(slots: readonly SlotInfo[]): void {
    const { warmTrainer, freeMemory, clock } = this.deps;
    if (!warmTrainer || clock.now() < this.pausedUntilMs) return;
    for (const slot of slots) {
      if (
        slot.serve_bytes !== undefined ||
        slot.gpus.length > 1 ||
        this.places.has(slot.id) ||
        freeMemory() < MIN_FREE_BYTES
      )
        continue;
      this.count += 1;
      const id = `warm-${slot.id}-${this.count}`;
      const paths = this.deps.paths.task(id);
      const place: Place = { paths, started: this.start(id, slot, paths) };
      this.places.set(slot.id, place);
      void this.watch(slot.id, place);
    }
  }

  /** The trainer of a task on this slot. */
  async trainerFor(leaseId: string, slot: SlotInfo, task: TaskPaths): Promise<TrainerProcess> {
    const place = this.places.get(slot.id);
    if (!place) return startTrainer(leaseId, task, this.deps);
    this.places.delete(slot.id);
    const waiting = await place.started;
    if (!waiting?.isAlive()) return startTrainer(leaseId, task, this.deps);
    try {
      void waiting.handOver(leaseId, task).then(() => this.clear(place));
    } catch (error) {
      // Nobody else knows of it any more.
      waiting.process.stop(0);
      await waiting.process.exited;
      throw error;
    }
    return waiting.process;
  }

  /** Ends those that wait. */
  async stop(): Promise<void> {
    const places = [...this.places.values()];
    this.places.clear();
    for (const place of places) {
      const waiting = await place.started;
      waiting?.process.stop(0);
      await waiting?.process.exited;
      await this.clear(place);
    }
  }

  /** What is left is cleared when the agent starts the next time. */
  private async clear({ paths }: Place): Promise<void> {
    try {
      await rm(paths.root, { recursive: true, force: true });
    } catch (error) {
      this.deps.log.warn(`the folder of a trainer that waited is left: ${describeError(error)}`);
    }
  }

  private async start(id: string, slot: SlotInfo, paths: TaskPaths): Promise<WaitingTrainer | null> {
    const host = { gpus: [...slot.gpus], torch_threads: this.deps.torchThreads };
    try {
      return await startWaitingTrainer(id, paths, host, this.deps);
    } catch (error) {
      this.deps.log.warn(`no trainer could be kept warm: ${describeError(error)}`);
      return null;
    }
  }

  private async watch(slotId: string, place: Place): Promise<void> {
    const { log, clock, onStart } = this.deps;
    const waiting = await place.started;
    if (waiting) {
      const ended = onStart(waiting.process);
      if (await waiting.ready) log.info(`a trainer is warm for slot ${slotId}`);
      await waiting.process.exited;
      ended();
    }
    if (this.places.get(slotId) !== place) return; // It has become a task's trainer, or was stopped.
    this.places.delete(slotId);
    log.warn(`the trainer that waited for slot ${slotId} has ended`);
    this.pausedUntilMs = clock.now() + PAUSE_AFTER_DEATH_MS;
    await this.clear(place);
  }
}
