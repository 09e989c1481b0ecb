/**
 * One run of the trainer: start it, follow what it says and prints, store its checkpoints, wait for its end. It leaves
 * nothing running behind, whichever way it is left.
 */
import { readTrainerLines, type ReadLine } from "./trainer-lines";
import { Checkpoints, type CheckpointsDeps } from "./checkpoints";
import type { Clock } from "./clock";
import type { EndOfTraining } from "./decide-ending";
import { HangWatch, newestWriteMs } from "./hang-watch";
import { LogPump } from "./log-pump";
import type { LogQuota } from "./log-quota";
import type { Lanes } from "./report-lanes";
import type { TaskControl, Wish } from "./task-control";
import type { TaskRecord } from "./task-record";
import type { TrainerLine } from "../../protocol";
import type { TrainerProcess } from "./trainer-process";

/** Time to save a resume checkpoint at the next step boundary. */
const DRAIN_GRACE_MS = 30_000;
/** Nothing is saved for these: only time to end its own children. */
const CANCEL_GRACE_MS = 5_000;
/** For the stacks of a hung trainer to be written and read. */
const STACKS_MS = 2_000;
/** A broken trainer must not fill the job's stream with notices of its broken lines. */
const MAX_LINE_NOTICES = 20;

export interface TrainDeps {
  readonly startTrainer: () => Promise<TrainerProcess>;
  readonly clock: Clock;
  readonly control: TaskControl;
  readonly lanes: Lanes;
  readonly quota: LogQuota;
  readonly record: TaskRecord;
  /** Where the trainer writes. */
  readonly outputDir: string;
  /** So long without a step is a hang. */
  readonly hangMs: number;
  readonly checkpoints: Omit<CheckpointsDeps, "onFailure">;
  /** Called with the trainer once it runs, so that the agent's last resort can end it. */
  readonly onStart: (trainer: TrainerProcess) => () => void;
}

export async function train(deps: TrainDeps): Promise<EndOfTraining> {
  const { control, lanes, record, clock } = deps;
  const trainer = await deps.startTrainer();
  const ended = deps.onStart(trainer);
  const watch = new HangWatch({ clock, limitMs: deps.hangMs, lastWriteMs: () => newestWriteMs(deps.outputDir) });
  const over = new AbortController();
  const watched = endIfHung(watch, trainer, clock, over.signal);
  try {
    const checkpoints = new Checkpoints({ ...deps.checkpoints, onFailure: () => trainer.stop(CANCEL_GRACE_MS) });
    control.onWish((wish) => trainer.stop(graceOf(wish)));
    const pump = new LogPump(
      deps.quota,
      {
        hasRoom: () => lanes.logs.hasRoom,
        log: (line) => lanes.logs.push(line),
        notice: (item) => lanes.data.push(item),
      },
      clock,
    );
    await Promise.all([
      follow(watch.over(readTrainerLines(trainer.reports)), pump, checkpoints, deps),
      pump.run(trainer.stdout, "stdout"),
      pump.run(trainer.stderr, "stderr"),
    ]);
    const exit = await trainer.exited;
    over.abort();
    await pump.finish();
    await checkpoints.idle();
    const { hasFinal, failure } = checkpoints;
    const hang = await watched;
    return { wish: control.wish, exit, record, hasFinal, uploadFailure: failure, hang, logTail: pump.lastLines() };
  } finally {
    over.abort();
    trainer.stop(0);
    await trainer.exited;
    ended();
  }
}

/** What to say of a hang, when its process is being killed; null when there was none. */
async function endIfHung(
  watch: HangWatch,
  trainer: TrainerProcess,
  clock: Clock,
  over: AbortSignal,
): Promise<string | null> {
  const hang = await watch.run(over);
  if (hang === null) return null;
  trainer.dumpStacks();
  await clock.sleep(STACKS_MS, over);
  trainer.stop(0);
  return hang;
}

function graceOf(wish: Wish): number {
  if (wish === "lost") return 0;
  return wish === "cancel" ? CANCEL_GRACE_MS : DRAIN_GRACE_MS;
}

async function follow(
  lines: AsyncIterable<ReadLine>,
  pump: LogPump,
  checkpoints: Checkpoints,
  { lanes, record, clock }: TrainDeps,
): Promise<void> {
  let problems = 0;
  const notice = (message: string): Promise<unknown> =>
    lanes.data.push({ type: "notice", ts_ms: clock.now(), message });
  for await (const read of lines) {
    if ("problem" in read) {
      problems += 1;
      if (problems <= MAX_LINE_NOTICES) await notice(`a line of the trainer was not understood: ${read.problem}`);
      continue;
    }
    const { line } = read;
    if (line.type === "checkpoint") await checkpoints.add(line);
    if (line.type === "samples") await saySamples(line, pump);
    const item = record.take(line, clock.now());
    if (item && !(await lanes.data.push(item))) await notice(`a ${line.type} line was too large to be reported`);
  }
  if (problems > MAX_LINE_NOTICES) await notice(`${problems} lines of the trainer were not understood`);
}

/** Samples are for people: they go where people read along. */
async function saySamples(line: Extract<TrainerLine, { type: "samples" }>, pump: LogPump): Promise<void> {
  for (const { prompt, completion, reward } of line.rows) {
    const score = reward === null ? "not scored" : `reward ${reward}`;
    await pump.say(`step ${line.step}, ${score}: ${JSON.stringify(prompt)} -> ${JSON.stringify(completion)}`);
  }
}
