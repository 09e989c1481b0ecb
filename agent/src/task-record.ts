/** What a trainer has said so far, as far as the end of its task depends on it. Takes lines, gives items to report. */
import type { DataItem, TrainerLine } from "../../protocol";

type Said<Type extends TrainerLine["type"]> = Extract<TrainerLine, { type: Type }>;

export class TaskRecord {
  step: number | null = null;
  finished: Said<"finished"> | null = null;
  stopped: Said<"stopped"> | null = null;
  failed: Said<"failed"> | null = null;

  /** Remembers the line; the item to report for it, if it is one of those. */
  take(line: TrainerLine, ts_ms: number): DataItem | null {
    switch (line.type) {
      case "started":
        this.step = line.resumed_from_step;
        return { ...line, ts_ms };
      case "progress":
      case "metrics":
        this.step = Math.max(this.step ?? 0, line.step);
        return { ...line, ts_ms };
      case "testing":
      case "event":
      case "notice":
        return { ...line, ts_ms };
      case "finished":
        this.finished = line;
        return null;
      case "stopped":
        this.stopped = line;
        return null;
      case "failed":
        this.failed = line;
        return null;
      case "checkpoint":
      case "samples":
        return null;
    }
  }
}
