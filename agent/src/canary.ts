/**
 * How far this host confines user code: the trainer's canary runs a hostile program through the very process that a
 * reward function would get, and says which level was found. An agent whose host does not even hold level 0, or whose
 * canary breaks, does not register: what it could run would be unconfined.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { z } from "zod";
import type { RegisterRequest } from "../../protocol";
import { describeError } from "./log";
import { trainerEnv } from "./trainer-env";

const execFileText = promisify(execFile);

/** It takes a second; on a cold disk Python itself takes several. */
const CANARY_TIMEOUT_MS = 60_000;
const MAX_DETAIL = 2000;

export interface CanaryOptions {
  /** The command, its arguments, and where Python finds the trainer's package. */
  readonly canary: { readonly command: string; readonly args: readonly string[]; readonly pythonPath: string };
  readonly env: NodeJS.ProcessEnv;
  /** Files and folders of the agent that user code must not read; each is tried. */
  readonly privatePaths: readonly string[];
}

/** The command's one line; `level` null: not even level 0 holds. */
const verdict = z.object({ level: z.int().min(0).max(3).nullable(), detail: z.string() });

/** Throws, with what the host lacks, when user code cannot be confined here. */
export async function findIsolation(options: CanaryOptions): Promise<RegisterRequest["isolation"]> {
  const { level, detail } = await runCanary(options);
  if (level === null) throw new Error(`user code cannot be confined on this host, so it takes no jobs: ${detail}`);
  return { level, detail: detail.slice(0, MAX_DETAIL) };
}

async function runCanary({ canary, env, privatePaths }: CanaryOptions): Promise<z.infer<typeof verdict>> {
  try {
    const { stdout } = await execFileText(canary.command, [...canary.args, ...privatePaths], {
      env: trainerEnv(env, { PYTHONPATH: canary.pythonPath }),
      timeout: CANARY_TIMEOUT_MS,
      killSignal: "SIGKILL",
    });
    return verdict.parse(JSON.parse(stdout));
  } catch (error) {
    return { level: null, detail: `the canary broke: ${describeError(error)}` };
  }
}
