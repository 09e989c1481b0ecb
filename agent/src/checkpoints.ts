/**
 * The queue of a task's checkpoints, uploaded one at a time while training goes on. A resume checkpoint that still waits
 * when a newer one comes is dropped: only the newest is of use. The trainer's folders are deleted when they are
 * committed or dropped, not before.
 */
import { rm } from "node:fs/promises";
import { isStaleLease } from "./api-error";
import { foldersOf, type CheckpointLine } from "./checkpoint-files";
import { describeError } from "./log";
import type { TaskControl } from "./task-control";
import { uploadCheckpoint, type UploadCheckpointDeps } from "./upload-checkpoint";

export interface CheckpointsDeps extends UploadCheckpointDeps {
  readonly control: TaskControl;
  /** An earlier attempt has committed the final checkpoint. */
  readonly isTrained: boolean;
  readonly onFailure: () => void;
}

export class Checkpoints {
  /** The final checkpoint is committed. */
  hasFinal: boolean;
  failure: Error | null = null;
  private queue: CheckpointLine[] = [];
  private working: Promise<void> = Promise.resolve();

  constructor(private readonly deps: CheckpointsDeps) {
    this.hasFinal = deps.isTrained;
  }

  async add(line: CheckpointLine): Promise<void> {
    if (this.failure || this.deps.control.ending.aborted) return;
    const replaces = ({ kind }: CheckpointLine): boolean => kind === "resume" && isNewer(line);
    const superseded = this.queue.filter(replaces);
    this.queue = [...this.queue.filter((waiting) => !replaces(waiting)), line];
    this.working = this.working.then(() => this.uploadNext());
    for (const old of superseded) await removeFolders(old);
  }

  /** Resolves when nothing is left to upload, or nothing will be. */
  async idle(): Promise<void> {
    await this.working;
  }

  private async uploadNext(): Promise<void> {
    const { control, log, leaseId, paths } = this.deps;
    const line = this.queue.shift();
    if (line === undefined) return; // A newer checkpoint took its place.
    try {
      const { checkpoint_id: id } = await uploadCheckpoint(line, this.deps, control.ending);
      log.info(`${leaseId}: ${line.kind} checkpoint at step ${line.step} committed as ${id}`);
      if (line.kind === "final") this.hasFinal = true;
      await removeFolders(line);
    } catch (error) {
      this.fail(line, error);
    } finally {
      await rm(paths.upload, { recursive: true, force: true });
    }
  }

  private fail(line: CheckpointLine, error: unknown): void {
    const { control, log, leaseId, onFailure } = this.deps;
    this.queue = [];
    if (control.ending.aborted) return;
    log.warn(`${leaseId}: checkpoint at step ${line.step} failed: ${describeError(error)}`);
    if (isStaleLease(error)) {
      control.raise("lost");
      return;
    }
    this.failure = error instanceof Error ? error : new Error(String(error));
    onFailure();
  }
}

/** Whether training goes on from it, or is over with it. */
function isNewer({ kind }: CheckpointLine): boolean {
  return kind === "resume" || kind === "final";
}

async function removeFolders(line: CheckpointLine): Promise<void> {
  for (const folder of foldersOf(line)) await rm(folder, { recursive: true, force: true });
}
