/** How far a task is and what its evaluations have shown: the job's object knows. */
import type { JobRecord } from "../domain/job";
import type { JobDoors } from "../domain/ports";
import type { WorkDone } from "../domain/progress";
import type { EvalResults, TrainingInfo } from "./task-services";

/** More evaluations than this are shown as an even choice of them. */
const MAX_EVALUATIONS = 10_000;

export async function evalResults({ doors }: { doors: JobDoors }, job: JobRecord): Promise<EvalResults> {
  const door = doors.of(job.id);
  const [{ points }, work] = await Promise.all([
    door.metrics({ kind: "eval", maxPoints: MAX_EVALUATIONS }),
    door.workDone(),
  ]);
  const rows = points.map(({ step, values }) => {
    const { epoch = epochOf(step, work), ...metrics } = values;
    return { epoch, step, metrics };
  });
  const initial = rows.find(({ step }) => step === 0)?.metrics ?? null;
  return { initial, tests: rows.filter(({ step }) => step > 0) };
}

export async function trainingInfo({ doors }: { doors: JobDoors }, job: JobRecord): Promise<TrainingInfo | null> {
  const door = doors.of(job.id);
  const [{ points }, work] = await Promise.all([door.metrics({ maxPoints: 1 }), door.workDone()]);
  if (work.attempt === 0) return null;
  const { step, totalSteps, epoch } = work;
  return { step, totalSteps, epoch, metrics: points.at(-1)?.values ?? {} };
}

/** An evaluation without `metrics` does not tell its epoch; epochs have equally many steps. */
function epochOf(step: number, work: WorkDone): number {
  return work.step === 0 ? 0 : Number(((work.epoch * step) / work.step).toFixed(4));
}
