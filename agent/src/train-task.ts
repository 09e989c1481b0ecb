/** The work of a task that a trainer does: its inputs, its config, the run of the trainer and the uploads. */
import { writeFile } from "node:fs/promises";
import { HANG_TIMEOUT_SECONDS } from "../../protocol";
import { decideEnding, endingOfWish, type Ending } from "./decide-ending";
import { fetchInputs } from "./inputs";
import { LogQuota } from "./log-quota";
import type { TaskRecord } from "./task-record";
import type { TaskWork } from "./task-work";
import { train } from "./train";
import { toTrainerConfig } from "./trainer-config";

/** The ending is decided by what it returns, after the reports are through. */
export async function trainTask(work: TaskWork, record: TaskRecord): Promise<() => Ending> {
  const { lease, slot, paths, control, lanes, deps } = work;
  const transfer = { baseUrl: deps.baseUrl, dispatcher: deps.transfers, retrier: deps.retrier };
  const inputs = await fetchInputs(lease, paths, { ...transfer, inputs: deps.inputs }, control.stopping);
  const config = toTrainerConfig(lease, slot, inputs, paths, deps.torchThreads);
  await writeFile(paths.config, JSON.stringify(config));
  if (control.wish !== "continue") return () => endingOfWish(control.wish);
  const uploads = {
    ...transfer,
    api: deps.api,
    log: deps.log,
    leaseId: lease.lease_id,
    task: lease.kind,
    paths,
    control,
    isTrained: lease.inputs.test?.is_trained ?? false,
    reported: () => lanes.data.flushed(),
  };
  const quota = new LogQuota(lease.limits, deps.clock);
  const end = await train({
    ...deps,
    startTrainer: () => deps.startTrainer(lease.lease_id, slot, paths),
    control,
    lanes,
    quota,
    record,
    outputDir: paths.output,
    hangMs: 1000 * (lease.spec.hang_timeout_seconds ?? HANG_TIMEOUT_SECONDS[lease.spec.method]),
    checkpoints: uploads,
  });
  return () => decideEnding({ ...end, wish: control.wish });
}
