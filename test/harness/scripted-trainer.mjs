/**
 * A trainer for tests: a real process that speaks the line protocol (protocol/trainer.ts) and follows a script instead
 * of training. It is chosen only in code, by the TrainerCommand that a test gives to the agent's container:
 *   { command: process.execPath, args: [".../scripted-trainer.mjs", JSON.stringify(script)], pythonPath: "" }
 * A script is a list of operations (below). Without one it acts like a short, well-behaved training of the lease's
 * spec: it honours max_steps and resume_from, saves a resume checkpoint on SIGTERM, and ends with a final checkpoint.
 * It keeps the trainer's duties: it ends when the life pipe does, and it writes only below output_dir.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const isWarm = process.argv.at(-2) === "--warm";
const script = process.argv.length > (isWarm ? 4 : 3) ? JSON.parse(process.argv[2]) : undefined;

// A socket and not a file stream: a read that waits in a thread would keep the process from exiting.
const life = new Socket({ fd: Number(process.env.ANNEAL_LIFE_FD), readable: true, writable: false });
life.resume();
life.on("error", () => process.exit(70));
life.on("end", () => process.exit(70));

const configPath = isWarm ? await order() : process.argv.at(-1);
const config = JSON.parse(readFileSync(configPath, "utf8"));
const versions = { scripted: "1" };

/** Warm: waits to be told its task; the config's path. */
async function order() {
  const orders = new Socket({ fd: Number(process.env.ANNEAL_ORDER_FD), allowHalfOpen: true });
  orders.write("ready\n");
  const [line] = await once(orders, "data");
  const { config: path, cwd, env } = JSON.parse(line);
  // As one whose imports are not done yet: until it says so, the folders that it has waited in are its own.
  await sleep(100);
  if (!existsSync(process.env.TMPDIR) || !existsSync(process.cwd())) process.exit(71);
  Object.assign(process.env, env);
  process.chdir(cwd);
  orders.destroy();
  return path;
}

let step = 0;
let isStopping = false;
let onTerm = "save";

const reportFd = Number(process.env.ANNEAL_REPORT_FD);

/** Writes all of it: the descriptor does not block, so a full pipe is tried again. */
function writeAll(fd, text) {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

const say = (line) => writeAll(reportFd, `${JSON.stringify(line)}\n`);

function checkpoint(kind, files, { adapter, tokenizer, results } = {}) {
  const write = (name, contents) => {
    const dir = join(config.output_dir, name);
    for (const [path, text] of Object.entries(contents)) {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), typeof text === "number" ? "w".repeat(text) : text);
    }
    return dir;
  };
  const dir = write(`${kind}-${step}`, files);
  const tokenizer_dir = tokenizer === undefined ? undefined : write(`${kind}-${step}-tokenizer`, tokenizer);
  const adapter_dir = adapter === undefined ? undefined : write(`${kind}-${step}-adapter`, adapter);
  say({
    type: "checkpoint",
    kind,
    step,
    epoch: step / 10,
    dir,
    adapter_dir,
    tokenizer_dir,
    results,
    world_size: 1,
    torch_threads: 1,
    versions,
  });
}

const resumeFiles = () => ({ "state.json": JSON.stringify({ step }), "rng/rng_state.pth": `rng ${step}` });
const modelFiles = () => ({ "config.json": "{}", "model.safetensors": `weights of step ${step}`.repeat(50) });

function startLine(total) {
  const resumed_from_step = step;
  say({ type: "started", total_steps: total, resumed_from_step, world_size: 1, device: "cpu", versions });
}

/** Trains to `total` steps; false when it was asked to stop on the way. */
async function train(total, stepMs) {
  while (step < total) {
    if (isStopping) return false;
    step += 1;
    say({ type: "metrics", step, kind: "train", values: { loss: 1 / step } });
    say({ type: "progress", step, total_steps: total, epoch: step / 10 });
    writeAll(1, `step ${step}\n`); // process.stdout queues what the pipe has no room for, and an exit drops it
    if (stepMs > 0) await sleep(stepMs);
  }
  return true;
}

function stop() {
  checkpoint("resume", resumeFiles());
  say({ type: "stopped", step });
  process.exit(0);
}

const operations = {
  line: ({ line }) => say(line),
  raw: ({ text }) => writeAll(reportFd, text),
  raw_long: ({ bytes }) => writeAll(reportFd, `${"x".repeat(bytes)}\n`),
  out: ({ text }) => writeAll(1, text),
  out_base64: ({ data }) => writeAll(1, Buffer.from(data, "base64")),
  err: ({ text }) => writeAll(2, text),
  flood: ({ lines }) => {
    for (let sent = 0; sent < lines; sent += 1000) {
      writeAll(1, Array.from({ length: 1000 }, (_, index) => `line ${sent + index} of a flood\n`).join(""));
    }
  },
  started: ({ total }) => startLine(total),
  train: async ({ to, step_ms = 0 }) => {
    if (!(await train(to, step_ms))) stop();
  },
  checkpoint: ({ kind, files, ...more }) =>
    checkpoint(kind, files ?? (kind === "resume" ? resumeFiles() : modelFiles()), more),
  /** The test of the checkpoint of a step. */
  test: ({ of, rows = "{}\n", results }) => {
    step = of;
    checkpoint("test", { "results.jsonl": rows }, { results });
  },
  testing: ({ done, total }) => say({ type: "testing", done, total }),
  finished: ({ best }) => say({ type: "finished", step, ...best }),
  /** Prints what it got, so that a test can look. */
  tell_environment: () => writeAll(1, `${JSON.stringify(process.env)}\n`),
  tell_config: () => writeAll(1, `${JSON.stringify(config)}\n`),
  tell_file: ({ path }) => writeAll(1, `${readFileSync(path, "utf8")}\n`),
  tell_resume: () => writeAll(1, `${JSON.stringify(readdirSync(config.resume_from, { recursive: true }).sort())}\n`),
  tell_tests: () => {
    const told = config.test.checkpoints.map(({ step: of, dir }) => [of, readdirSync(dir).sort()]);
    writeAll(1, `${JSON.stringify(told)}\n`);
  },
  tell_base: () => writeAll(1, `${JSON.stringify(readdirSync(config.base_model.path).sort())}\n`),
  tell_preprocessed: () => writeAll(1, `${JSON.stringify(readdirSync(config.preprocessed).sort())}\n`),
  tell_pid: () => writeAll(1, `pid ${process.pid}\n`),
  /** A process that stays in the group and holds stdout. */
  spawn_child: () => {
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "inherit" });
    writeAll(1, `child ${child.pid}\n`);
  },
  on_term: ({ action }) => {
    onTerm = action;
  },
  /** Until SIGTERM (then it saves) or for ever. */
  wait: async () => {
    while (!isStopping) await sleep(5);
    stop();
  },
  wait_file: async ({ path }) => {
    while (!existsSync(path)) await sleep(5);
  },
  sleep: ({ ms }) => sleep(ms),
  kill_self: ({ signal }) => {
    process.kill(process.pid, signal);
    return sleep(10_000);
  },
  exit: ({ code }) => process.exit(code),
};

process.on("SIGUSR1", () => writeAll(2, "the stacks of all threads\n"));
process.on("SIGTERM", () => {
  if (onTerm === "save") isStopping = true;
  if (onTerm === "exit") process.exit(143);
});

if (config.resume_from !== null) step = JSON.parse(readFileSync(join(config.resume_from, "state.json"), "utf8")).step;

const wellBehaved = [
  { op: "started", total: config.hyperparameters.max_steps ?? 10 },
  { op: "train", to: config.hyperparameters.max_steps ?? 10, step_ms: 5 },
  { op: "checkpoint", kind: "final" },
  { op: "finished" },
];
for (const { op, ...rest } of script ?? wellBehaved) await operations[op](rest);
process.exit(0);
