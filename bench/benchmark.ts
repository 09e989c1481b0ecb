/** What every benchmark is. */
import type { Result } from "./result";

export interface Options {
  /** Smaller sizes: shows that it works, not how fast it is. */
  quick: boolean;
  /** Of `overhead`; its own number when absent. */
  pairs: number | undefined;
  /** Removed at the end. */
  workDir: string;
  /** Progress, to stderr. */
  say(text: string): void;
}

export interface Benchmark {
  name: string;
  /** One line for --list. */
  what: string;
  run(options: Options): Promise<Result[]>;
}
