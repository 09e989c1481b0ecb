/** Where it was measured: figures without this mean little. */
import os from "node:os";

export interface Machine {
  cpu: string;
  cores: number;
  memory_gib: number;
  os: string;
  node: string;
  /** The 1-minute load average before and after: over 1 before, something else was running. */
  load_before: number;
  load_after: number;
}

/** Call at the start; the answer completes it at the end. */
export function describeMachine(): () => Machine {
  const load = (): number => Math.round((os.loadavg()[0] ?? 0) * 100) / 100;
  const loadBefore = load();
  return () => ({
    cpu: os.cpus()[0]?.model ?? "unknown",
    cores: os.cpus().length,
    memory_gib: Math.round(os.totalmem() / 2 ** 30),
    os: `${os.type()} ${os.release()}`,
    node: process.version,
    load_before: loadBefore,
    load_after: load(),
  });
}
