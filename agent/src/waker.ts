/** A bell between loops of one process: whoever sleeps on `signal` or in `wait` goes on when `wake` is called. */
export class Waker {
  private controller = new AbortController();

  /** Aborted by the next `wake`. Take it before deciding to sleep, in the same turn, and no wake is missed. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  wake(): void {
    const { controller } = this;
    this.controller = new AbortController();
    controller.abort();
  }

  wait(): Promise<void> {
    const { signal } = this;
    return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  }
}
