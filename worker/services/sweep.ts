/**
 * The third chance of every job (design/authority.md): each minute, ids of queued jobs that nobody has looked at and of
 * live ones whose object has gone quiet go to the queue by the hundred; its consumer ticks them.
 */
import type { Faults } from "../domain/faults";
import type { Clock, DispatchQueue, JobDoors, JobStore } from "../domain/ports";

const UNTICKED_MS = 30_000;
const UNSEEN_MS = 10 * 60_000;
const MAX_SWEPT = 500;

export async function sweep(ports: { jobs: JobStore; queue: DispatchQueue; clock: Clock }): Promise<void> {
  const nowMs = ports.clock.nowMs();
  const overdue = await ports.jobs.overdue(nowMs - UNTICKED_MS, nowMs - UNSEEN_MS, MAX_SWEPT);
  await ports.queue.sendMany(overdue.map((jobId) => ({ type: "tick", jobId })));
}

export async function tickJob(ports: { doors: JobDoors; faults: Faults }, jobId: string): Promise<void> {
  await ports.faults.at("message_taken");
  await ports.doors.of(jobId).tick();
}
