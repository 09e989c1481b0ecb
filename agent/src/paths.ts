/**
 * The agent's state directory:
 *   agent.lock                    pid and start time of the agent that uses it
 *   identity.json                 0600: nonce, agent id, token
 *   cache/files/ cache/hub/       what is kept between tasks, see cache-space.ts
 *   tasks/<lease>/                everything of one lease, removed when it ends
 *     process.json                the trainer's process group, for leftovers.ts
 *     config.json inputs/ preprocessed/ resume/ base/ untested/ output/ upload/ spool/ tmp/
 *     deployments/              of a serve task: a folder for each model
 *   tasks/<lease>.vllm-<n>/       a process of vLLM's
 */
import { realpath } from "node:fs/promises";
import { join, relative, isAbsolute } from "node:path";
import type { CachePaths } from "./cache-space";

export interface TaskPaths {
  readonly root: string;
  readonly process: string;
  readonly config: string;
  readonly inputs: string;
  readonly preprocessed: string;
  readonly resume: string;
  readonly base: string;
  readonly untested: string;
  readonly output: string;
  readonly upload: string;
  readonly spool: string;
  readonly tmp: string;
}

export interface StatePaths {
  readonly root: string;
  readonly lock: string;
  readonly identity: string;
  readonly tasks: string;
  readonly cache: CachePaths;
  task(leaseId: string): TaskPaths;
}

export function statePaths(root: string): StatePaths {
  const tasks = join(root, "tasks");
  return {
    root,
    lock: join(root, "agent.lock"),
    identity: join(root, "identity.json"),
    tasks,
    cache: { files: join(root, "cache/files"), hub: join(root, "cache/hub") },
    task: (leaseId) => {
      if (!/^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}$/.test(leaseId)) throw new Error(`lease id ${leaseId} is no file name`);
      const at = (name: string): string => join(tasks, leaseId, name);
      return {
        root: join(tasks, leaseId),
        process: at("process.json"),
        config: at("config.json"),
        inputs: at("inputs"),
        preprocessed: at("preprocessed"),
        resume: at("resume"),
        base: at("base"),
        untested: at("untested"),
        output: at("output"),
        upload: at("upload"),
        spool: at("spool"),
        tmp: at("tmp"),
      };
    },
  };
}

/** Whether `path`, links resolved, is strictly below `folder`. Throws when it does not exist. */
export async function isInside(folder: string, path: string): Promise<boolean> {
  const way = relative(await realpath(folder), await realpath(path));
  return way !== "" && way !== ".." && !way.startsWith("../") && !isAbsolute(way);
}
