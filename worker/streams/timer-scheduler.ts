/** The scheduler of the real world. */
import type { Scheduler } from "../domain/scheduler";

export const timerScheduler: Scheduler = {
  after(ms, work) {
    const timer = setTimeout(work, ms);
    return () => clearTimeout(timer);
  },
};
