/** How far jobs are: of live ones their objects know, of the others D1 does. */
import { loggable } from "../domain/errors";
import type { JobRecord } from "../domain/job";
import { isLive } from "../domain/job-state";
import type { JobDoors } from "../domain/ports";
import { percentDone } from "../domain/progress";

/** So many objects are asked at the same time. */
const AT_ONCE = 20;

/** A percentage for each, in their order. */
export async function jobProgress({ doors }: { doors: JobDoors }, jobs: readonly JobRecord[]): Promise<number[]> {
  const answers = jobs.map((job) => job.progress);
  const live = [...jobs.entries()].filter(([, job]) => isLive(job.status));
  for (let at = 0; at < live.length; at += AT_ONCE) {
    const asked = live.slice(at, at + AT_ONCE).map(async ([index, job]) => {
      answers[index] = await liveProgress(doors, job);
    });
    await Promise.all(asked);
  }
  return answers;
}

/** What D1 last had serves while the object cannot answer: a list of jobs must not fail for one of them. */
async function liveProgress(doors: JobDoors, job: JobRecord): Promise<number> {
  try {
    const work = await doors.of(job.id).workDone();
    return percentDone({ status: job.status, attempt: job.task.attempt, hasTests: job.spec.test !== undefined }, work);
  } catch (error) {
    console.error("a job's object did not tell its progress", job.id, loggable(error));
    return job.progress;
  }
}
