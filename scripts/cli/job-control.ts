/** `jobs cancel`, `pause`, `resume` and `retry`. */
import { InvalidArgumentError, type Command } from "commander";
import { contextOf, jobPath } from "./context";
import { printLine } from "./output";
import { postOnce } from "./request";
import { anything } from "./shapes";

const VERBS = {
  cancel: "stop a job for good",
  pause: "save its work and give its machine back; `resume` goes on from there",
  resume: "queue a paused job again, or take back a pause that has not taken effect",
};

interface RetryOptions {
  from: string;
  maxDuration?: number;
  idempotencyKey?: string;
}

export function addControl(jobs: Command): void {
  for (const [verb, description] of Object.entries(VERBS)) {
    jobs
      .command(verb)
      .description(description)
      .argument("<id>", "job_…")
      .action(async (id: string, _options: object, command: Command) => {
        const { api, out } = contextOf(command);
        out.show(await api.post(jobPath(id, `/${verb}`), {}, anything));
      });
  }
  jobs
    .command("retry")
    .description("a new job like one that failed, timed out or was cancelled; prints its id")
    .argument("<id>", "job_…")
    .option("--from <where>", "checkpoint: go on from its last one; start: begin again", "checkpoint")
    .option("--max-duration <seconds>", "in place of the old job's", parseSeconds)
    .option("--idempotency-key <key>", "the same key and body make one job")
    .action(async (id: string, options: RetryOptions, command: Command) => {
      const { api, out } = contextOf(command);
      const body = JSON.stringify({ from: options.from, max_duration_seconds: options.maxDuration });
      const made = await postOnce(api, jobPath(id, "/retry"), body, options.idempotencyKey);
      if (out.json) printLine(made);
      else console.log(made.id);
    });
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!(seconds > 0)) throw new InvalidArgumentError("must be a number of seconds");
  return seconds;
}
