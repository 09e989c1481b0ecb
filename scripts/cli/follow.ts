/** A job's stream at a terminal: as lines, or as a bar that ends with the job. */
import type { ApiClient } from "../api";
import { readSse, type SseItem } from "../sse";
import { ApiError } from "../api";
import { printLine } from "./output";
import { withProgress } from "./with-progress";
import { FINAL_STATUSES, job, streamEnd, streamEvent, streamLog, streamMetric, streamNotice, type Job } from "./shapes";

/** A stream that has been silent for this long has told what there was: comments come every few seconds, items at once. */
const QUIET_MS = 1_500;

export async function followJob(
  api: ApiClient,
  path: string,
  options: { follow: boolean; json: boolean },
): Promise<void> {
  const items = options.follow ? api.follow(`${path}/stream`) : soFar(api, `${path}/stream`);
  for await (const item of items) {
    if (options.json) printLine({ id: Number(item.id), event: item.event, data: JSON.parse(item.data) as unknown });
    else console.log(lineOf(item));
  }
}

/** What the stream holds now: to its end if the job has ended, else until it falls silent. */
async function* soFar(api: ApiClient, path: string): AsyncGenerator<SseItem> {
  const response = await api.send("GET", path);
  if (!response.ok || response.body === null) {
    throw new ApiError("GET", path, response.status, await response.text());
  }
  const items = readSse(response.body);
  for (;;) {
    const next = await Promise.race([items.next(), quiet()]);
    if (next === null || next.done) return;
    yield next.value;
    if (next.value.event === "end") return;
  }
}

async function quiet(): Promise<null> {
  return new Promise((resolve) => {
    setTimeout(resolve, QUIET_MS, null).unref();
  });
}

function lineOf(item: SseItem): string {
  const data: unknown = JSON.parse(item.data);
  switch (item.event) {
    case "log": {
      const { timestamp, line, stream } = streamLog.parse(data);
      return `${timestamp} ${stream.padEnd(6)} ${line}`;
    }
    case "metric": {
      const { step, values } = streamMetric.parse(data);
      const shown = Object.entries(values).map(([name, value]) => `${name}=${String(value)}`);
      return `step ${String(step)}  ${shown.join("  ")}`;
    }
    case "event": {
      const { timestamp, event_type: type, metadata } = streamEvent.parse(data);
      return `${timestamp} event  ${type} ${JSON.stringify(metadata)}`;
    }
    case "notice": {
      const { timestamp, message } = streamNotice.parse(data);
      return `${timestamp} notice ${message}`;
    }
    case "end":
      return `ended: ${streamEnd.parse(data).status}`;
    default:
      return `${item.event} ${item.data}`;
  }
}

/** The job when it has ended, with a bar on the way. */
export async function waitForJob(api: ApiClient, path: string): Promise<Job> {
  const start = await api.get(path, job);
  if (FINAL_STATUSES.includes(start.status)) return start;
  const { max_steps: maxSteps, num_epochs: numEpochs } = start.spec.hyperparameters;
  // By epochs the number of steps is not known here, so the bar counts hundredths of them.
  return withProgress(start.id, maxSteps ?? numEpochs * 100, async (progress) => {
    let detail = start.status;
    for await (const item of api.follow(`${path}/stream`)) {
      if (item.event === "event") detail = streamEvent.parse(JSON.parse(item.data)).event_type;
      if (item.event !== "metric") continue;
      const { step, values } = streamMetric.parse(JSON.parse(item.data));
      const done = maxSteps === null ? Math.round((values["epoch"] ?? 0) * 100) : step;
      progress.update(done, `step ${String(step)} ${shownValue(values) ?? detail}`);
    }
    const ended = await api.get(path, job);
    return { result: ended, summary: ended.status };
  });
}

/** What a person watches: the reward where there is one, else the loss. */
function shownValue(values: Record<string, number>): string | null {
  for (const key of ["reward", "loss"]) {
    if (values[key] !== undefined) return `${key} ${values[key].toFixed(3)}`;
  }
  return null;
}
