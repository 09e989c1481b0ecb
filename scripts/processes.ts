/** Child processes that never outlive us: each long-lived one is on a leash (leash.mjs) and stopped by `stopAll`. */
import { spawn, type ChildProcess } from "node:child_process";
import { openSync } from "node:fs";
import path from "node:path";
import { root } from "./env";

export interface Running {
  name: string;
  child: ChildProcess;
  /** Its exit code; a kill counts as 1. */
  exited: Promise<number>;
  stop(): Promise<void>;
}

const running = new Set<Running>();

export interface StartOptions {
  env: Record<string, string>;
  /** stdout and stderr are appended to this file; without it both go to our stderr. */
  logFile?: string;
  /** Between SIGTERM and SIGKILL. */
  graceMs: number;
}

export function start(name: string, command: string, args: string[], options: StartOptions): Running {
  const output = options.logFile === undefined ? 2 : openSync(options.logFile, "a", 0o600);
  const leash = path.join(root, "scripts", "leash.mjs");
  // A group of its own: Ctrl-C on the terminal reaches only us, and we stop the children in order.
  const child = spawn(process.execPath, [leash, String(options.graceMs), command, ...args], {
    cwd: root,
    env: { ...process.env, ...options.env },
    stdio: ["pipe", output, output],
    detached: true,
  });
  const exited = new Promise<number>((resolve) => {
    child.on("exit", (code) => {
      resolve(code ?? 1);
    });
    child.on("error", () => {
      resolve(127);
    });
  });
  const self: Running = {
    name,
    child,
    exited,
    async stop() {
      child.stdin?.end();
      await exited;
    },
  };
  running.add(self);
  void exited.then(() => running.delete(self));
  return self;
}

/** The last started first, so that an agent says goodbye while its worker still listens. */
export async function stopAll(): Promise<void> {
  for (const one of [...running].reverse()) await one.stop();
}

/** Runs `stop` once on SIGINT, SIGTERM or SIGHUP, then exits with `code`: a server's end is no failure, a demo's is. */
export function stopOnSignals(stop: () => Promise<void>, code: number): void {
  let stopping = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (stopping) return;
      stopping = true;
      void stop().then(
        () => process.exit(code),
        (error: unknown) => {
          console.error(error);
          process.exit(1);
        },
      );
    });
  }
}

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  env?: Record<string, string>;
  cwd?: string;
  /** Every line of both streams as it comes. */
  onLine?: (line: string) => void;
}

/** Runs a command to its end and gives its output, whatever its exit code. */
export function run(command: string, args: string[], options: RunOptions = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? root,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const outcome = { code: 1, stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      let rest = "";
      child[name].setEncoding("utf8").on("data", (text: string) => {
        outcome[name] += text;
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) options.onLine?.(line);
      });
      child[name].on("end", () => {
        if (rest !== "") options.onLine?.(rest);
      });
    }
    child.on("error", reject);
    child.on("close", (code) => {
      resolve({ ...outcome, code: code ?? 1 });
    });
  });
}
