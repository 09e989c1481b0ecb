/** Timers within a process, as a port: tests turn them by hand. */
export interface Scheduler {
  /** Runs `work` once after `ms`; the result cancels it. */
  after(ms: number, work: () => void): () => void;
}
