/** `jobs`: make, watch, stop, fetch. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { InvalidArgumentError, type Command } from "commander";
import { contextOf, jobPath as pathOf, NATIVE, query, withPaging } from "./context";
import { saveDownload } from "./download";
import { CliFailure, EXIT } from "./failure";
import { addDelete } from "./delete";
import { parseGpu } from "./gpu-option";
import { followJob, waitForJob } from "./follow";
import { anyList, anything, job } from "./shapes";
import { printLine } from "./output";
import { addControl } from "./job-control";
import { postOnce } from "./request";

interface CreateOptions {
  spec?: string;
  kind?: string;
  method?: string;
  baseModel?: string;
  dataset?: string;
  function: string[];
  outputName?: string;
  gpu?: { type: string; count: number };
  provider?: string;
  set: [string, unknown][];
}

export function addJobs(program: Command): void {
  const jobs = program.command("jobs").description("training jobs");
  addCreate(jobs);
  addReading(jobs);
  addWatching(jobs);
  addControl(jobs);
  addDelete(jobs, "jobs", "job_…");
  jobs
    .command("download")
    .description("fetch model.tar.gz; checks its SHA-256 and goes on where it was broken off")
    .argument("<id>", "job_…")
    .requiredOption("-o, --output <dir>", "where to")
    .action(async (id: string, options: { output: string }, command: Command) => {
      const { api, out } = contextOf(command);
      out.show(await saveDownload(api, pathOf(id, "/model"), path.join(options.output, "model.tar.gz")));
    });
}

function addCreate(jobs: Command): void {
  jobs
    .command("create")
    .description("from a JSON file, from options, or from both (options win)")
    .option("--spec <file>", "the request's body as JSON; - is stdin")
    .option("--kind <kind>", "train (the default), preprocess or import")
    .option("--method <method>", "sft_text, grpo, classification, regression or embedding")
    .option("--base-model <model>", "a name of the catalogue, a Hugging Face id, or job_<id>")
    .option("--dataset <id>", "ds_…")
    .option("--function <id>", "rf_…, for grpo; may be repeated", collect, [])
    .option("--output-name <name>", "what the model is called")
    .option("--gpu <type[:count]>", "such as L4-24GB:1", parseGpu)
    .option("--provider <name>", "the cheapest by default")
    .option("--set <key=value>", "a hyperparameter, such as max_steps=100; may be repeated", collectPair, [])
    .option("--idempotency-key <key>", "the same key and body make one job")
    .action(async (options: CreateOptions & { idempotencyKey?: string }, command: Command) => {
      const { api, out } = contextOf(command);
      const body = JSON.stringify(await requestOf(options));
      const made = await postOnce(api, `${NATIVE}/jobs`, body, options.idempotencyKey);
      if (out.json) printLine(made);
      else console.log(made.id);
    });
}

async function requestOf(options: CreateOptions): Promise<Record<string, unknown>> {
  const base = options.spec === undefined ? {} : await readSpec(options.spec);
  const hyperparameters = { ...anything.parse(base["hyperparameters"] ?? {}), ...Object.fromEntries(options.set) };
  const given = {
    kind: options.kind,
    method: options.method,
    base_model: options.baseModel,
    dataset_id: options.dataset,
    functions: options.function.length === 0 ? undefined : options.function.map((id) => ({ id })),
    output_name: options.outputName,
    gpu: options.gpu,
    provider: options.provider,
  };
  const sent = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...base, ...Object.fromEntries(sent), hyperparameters };
}

async function readSpec(file: string): Promise<Record<string, unknown>> {
  try {
    return anything.parse(JSON.parse(await readFile(file === "-" ? "/dev/stdin" : file, "utf8")));
  } catch (error) {
    throw new CliFailure(`${file} is not a JSON object: ${error instanceof Error ? error.message : ""}`, EXIT.usage);
  }
}

function addReading(jobs: Command): void {
  withPaging(jobs.command("list"))
    .option("--kind <kind>", "jobs that train (the default), preprocess or import")
    .option("--status <status>", "only jobs in this status")
    .option("--method <method>", "only jobs of this method")
    .option("--project <id>", "only jobs of this project (ms-…)")
    .action(async (options: Record<string, string | undefined>, command: Command) => {
      const { api, out } = contextOf(command);
      const { limit, after, kind, status, method, project } = options;
      const path = `${NATIVE}/jobs${query({ limit, after, kind, status, method, project_id: project })}`;
      out.list(await api.get(path, anyList), ["id", "status", "method", "base_model", "output_name", "created_at"]);
    });
  jobs
    .command("get")
    .argument("<id>", "job_…")
    .action(async (id: string, _options: object, command: Command) => {
      const { api, out } = contextOf(command);
      out.show(await api.get(pathOf(id), anything));
    });
  withPaging(jobs.command("events").argument("<id>", "job_…")).action(
    async (id: string, { limit, after }: Record<string, string | undefined>, command: Command) => {
      const { api, out } = contextOf(command);
      const page = await api.get(pathOf(id, `/events${query({ limit, after })}`), anyList);
      out.list(page, ["id", "timestamp", "attempt", "event_type", "metadata"]);
    },
  );
  withPaging(jobs.command("checkpoints").argument("<id>", "job_…")).action(
    async (id: string, { limit, after }: Record<string, string | undefined>, command: Command) => {
      const { api, out } = contextOf(command);
      const page = await api.get(pathOf(id, `/checkpoints${query({ limit, after })}`), anyList);
      out.list(page, ["id", "kind", "step", "epoch", "ordinal", "size_bytes", "state"]);
    },
  );
  jobs
    .command("metrics")
    .argument("<id>", "job_…")
    .option("--keys <list>", "comma-separated, such as loss,reward")
    .option("--from-step <n>", "from this step on")
    .option("--to-step <n>", "up to this step")
    .option("--max-points <n>", "the most points", "500")
    .action(async (id: string, options: Record<string, string | undefined>, command: Command) => {
      const { api, out } = contextOf(command);
      const { keys, fromStep, toStep, maxPoints } = options;
      const range = query({ keys, from_step: fromStep, to_step: toStep, max_points: maxPoints });
      const answer = await api.get(pathOf(id, `/metrics${range}`), anything);
      if (out.json) printLine(answer);
      else showMetrics(answer);
    });
}

function showMetrics(answer: Record<string, unknown>): void {
  for (const point of answer["metrics"] as { step: number; values: Record<string, number> }[]) {
    const values = Object.entries(point.values).map(([name, value]) => `${name}=${String(value)}`);
    console.log(`${String(point.step).padStart(8)}  ${values.join("  ")}`);
  }
}

function addWatching(jobs: Command): void {
  jobs
    .command("logs")
    .description("everything that the job has said; with -f until it ends")
    .argument("<id>", "job_…")
    .option("-f, --follow", "go on until the job ends", false)
    .action(async (id: string, options: { follow: boolean }, command: Command) => {
      const { api, out } = contextOf(command);
      await followJob(api, pathOf(id), { follow: options.follow, json: out.json });
    });
  jobs
    .command("wait")
    .description("until the job has ended; exits 0 only if it has completed")
    .argument("<id>", "job_…")
    .action(async (id: string, _options: object, command: Command) => {
      const { api, out } = contextOf(command);
      const ended = job.parse(await waitForJob(api, pathOf(id)));
      if (out.json) printLine(ended);
      else console.log(`${ended.id} ${ended.status}${ended.reason === null ? "" : `: ${ended.reason.message}`}`);
      if (ended.status !== "completed") process.exitCode = EXIT.jobNotCompleted;
    });
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

/** Numbers, true, false and null as JSON has them; anything else is text. */
function collectPair(pair: string, before: [string, unknown][]): [string, unknown][] {
  const at = pair.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("must be key=value");
  const text = pair.slice(at + 1);
  const isJson = /^(-?\d+(\.\d+)?([eE][+-]?\d+)?|true|false|null)$/.test(text);
  return [...before, [pair.slice(0, at), isJson ? JSON.parse(text) : text]];
}
