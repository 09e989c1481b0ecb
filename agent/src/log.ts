/** The agent's own log: one short line with a timestamp on stderr. Tokens and signed URLs never go in. */
import type { Clock } from "./clock";

export interface Log {
  info(message: string): void;
  warn(message: string): void;
}

export function stderrLog(clock: Clock): Log {
  const write = (level: string, message: string): void => {
    process.stderr.write(`${new Date(clock.now()).toISOString()} ${level}${message}\n`);
  };
  return { info: (message) => write("", message), warn: (message) => write("warning: ", message) };
}

/** What went wrong, in one line, whatever was thrown. */
export function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
