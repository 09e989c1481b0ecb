/**
 * The trainer run by hand, as the agent runs it and with nothing of ours around it: the config file that the agent wrote
 * for a job (only the folders differ), the same environment, its lines read from a pipe and nothing done with them.
 */
import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, openSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { trainerConfig, trainerLine, type TrainerConfig, type TrainerLine } from "../protocol";
import { root } from "../scripts/env";
import { until, type Agent } from "./agent";

const REPORT_FD = 3;
const WAIT_MS = 60_000;

/** Copies the config of the task that the agent runs now, and its dataset, to where they stay. */
export async function copyConfig(agent: Agent, dir: string): Promise<TrainerConfig> {
  const text = await until("the agent's config file", WAIT_MS, () => {
    const task = agent.taskDir();
    return task === null ? null : readIfThere(path.join(task, "config.json"));
  });
  const config = trainerConfig.parse(JSON.parse(text));
  if (!config.dataset) throw new Error("the agent's task has no dataset");
  const dataset = path.join(dir, "dataset");
  copyFileSync(config.dataset.path, dataset);
  return { ...config, dataset: { ...config.dataset, path: dataset } };
}

/** null while it is missing or half written. */
function readIfThere(file: string): string | null {
  try {
    const text = readFileSync(file, "utf8");
    return text.endsWith("}") ? text : null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

export interface BareRun {
  spawnedAtMs: number;
  lines: { atMs: number; line: TrainerLine }[];
}

/** To the trainer's end; throws unless it finished. */
export async function runBare(python: string, config: TrainerConfig, dir: string): Promise<BareRun> {
  const home = mkdtempSync(path.join(dir, "bare-"));
  const output = path.join(home, "output");
  mkdirSync(output);
  const configFile = path.join(home, "config.json");
  writeFileSync(configFile, JSON.stringify({ ...config, output_dir: output, resume_from: null }));
  const log = openSync(path.join(home, "log"), "a");
  const spawnedAtMs = Date.now();
  const child = spawn(python, ["-m", "anneal_trainer", configFile], {
    cwd: output,
    stdio: ["ignore", log, log, "pipe"],
    env: {
      PATH: process.env["PATH"],
      HOME: process.env["HOME"],
      LANG: "C.UTF-8",
      PYTHONUNBUFFERED: "1",
      TOKENIZERS_PARALLELISM: "false",
      PYTHONPATH: path.join(root, "agent", "trainer"),
      ANNEAL_REPORT_FD: String(REPORT_FD),
    },
  });
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once("exit", resolve);
    child.once("error", reject);
  });
  const reports = child.stdio[REPORT_FD];
  if (!(reports instanceof Readable)) throw new Error("the trainer has no report pipe");
  const lines: BareRun["lines"] = [];
  for await (const text of createInterface({ input: reports })) {
    lines.push({ atMs: Date.now(), line: trainerLine.parse(JSON.parse(text)) });
  }
  const code = await exited;
  if (code !== 0 || lines.at(-1)?.line.type !== "finished") {
    throw new Error(`the bare trainer ended with ${String(code)}:\n${readFileSync(path.join(home, "log"), "utf8")}`);
  }
  return { spawnedAtMs, lines };
}
