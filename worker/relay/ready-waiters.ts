/** Requests that wait until a deployment is ready somewhere. */
import type { Scheduler } from "../domain/scheduler";

export class ReadyWaiters {
  readonly #scheduler: Scheduler;
  readonly #waiting = new Map<string, Set<(isReady: boolean) => void>>();

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  wait(deploymentId: string, waitMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(deploymentId) ?? new Set();
      this.#waiting.set(deploymentId, waiting);
      const cancel = this.#scheduler.after(waitMs, () => {
        waiting.delete(told);
        resolve(false);
      });
      const told = (isReady: boolean): void => {
        cancel();
        resolve(isReady);
      };
      waiting.add(told);
    });
  }

  tell(deploymentId: string, isReady: boolean): void {
    const waiting = this.#waiting.get(deploymentId);
    this.#waiting.delete(deploymentId);
    for (const told of waiting ?? []) told(isReady);
  }

  tellAll(isReady: boolean): void {
    for (const deploymentId of [...this.#waiting.keys()]) this.tell(deploymentId, isReady);
  }
}
