/**
 * The environment a trainer gets: what Python, CUDA and the hub need, by name. The agent's own environment holds
 * tokens and whatever a provider injects, so nothing is passed on that is not listed here.
 */

const PASSED = ["PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "OMP_NUM_THREADS"];
const PASSED_PREFIXES = ["HF_", "CUDA_", "NVIDIA_"];
/** The host's own access to the hub is not for the jobs that it runs. */
const WITHHELD = ["HF_TOKEN", "HF_TOKEN_PATH"];

/** How the trainer is run. Only the container's code chooses it. */
export interface TrainerCommand {
  readonly command: string;
  /** The config file's path comes after these. */
  readonly args: readonly string[];
  /** Where Python finds the trainer's package. */
  readonly pythonPath: string;
}

export function trainerEnv(env: NodeJS.ProcessEnv, added: Record<string, string>): Record<string, string> {
  const passed = Object.entries(env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined &&
      !WITHHELD.includes(entry[0]) &&
      (PASSED.includes(entry[0]) || PASSED_PREFIXES.some((prefix) => entry[0].startsWith(prefix))),
  );
  return {
    LANG: "C.UTF-8",
    ...Object.fromEntries(passed),
    PYTHONUNBUFFERED: "1",
    TOKENIZERS_PARALLELISM: "false",
    ...added,
  };
}
