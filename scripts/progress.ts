/** One line of progress for long work: a bar on a terminal, now and then a plain line elsewhere. Always on stderr. */
import { SingleBar } from "cli-progress";

export interface Progress {
  /** `total` may grow while the work shows how much it is. */
  update(value: number, detail?: string, total?: number): void;
  /** Ends the line. `summary` is what a person reads afterwards. */
  done(summary: string): void;
}

/** Without a terminal: a line at most this often, so that a log stays readable and still shows life. */
const PLAIN_INTERVAL_MS = 5_000;

export function startProgress(label: string, total: number): Progress {
  return process.stderr.isTTY ? bar(label, total) : plainLines(label, total);
}

function bar(label: string, total: number): Progress {
  const line = new SingleBar({
    format: `${label} [{bar}] {percentage}% {value}/{total} {duration_formatted} {detail}`,
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
    fps: 8,
    etaBuffer: 50,
  });
  line.start(total, 0, { detail: "" });
  return {
    update(value, detail, newTotal) {
      if (newTotal !== undefined) line.setTotal(newTotal);
      line.update(value, detail === undefined ? {} : { detail: detail.slice(0, 60) });
    },
    done(summary) {
      line.stop();
      process.stderr.write(`${label}: ${summary}\n`);
    },
  };
}

function plainLines(label: string, firstTotal: number): Progress {
  let total = firstTotal;
  let lastAtMs = 0;
  return {
    update(value, detail, newTotal) {
      total = newTotal ?? total;
      if (Date.now() - lastAtMs < PLAIN_INTERVAL_MS) return;
      lastAtMs = Date.now();
      const percent = Math.min(100, Math.floor((100 * value) / Math.max(1, total)));
      process.stderr.write(`${label}: ${String(percent)}% (${String(value)}/${String(total)}) ${detail ?? ""}\n`);
    },
    done(summary) {
      process.stderr.write(`${label}: ${summary}\n`);
    },
  };
}
