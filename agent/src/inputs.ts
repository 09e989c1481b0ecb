/** Everything a lease names, on this machine's disk: data set, functions, the base's weights, the resume files. */
import { mkdir, rm } from "node:fs/promises";
import { dirname, extname, join } from "node:path";
import type { CheckpointInput, Download, Lease } from "../../protocol";
import { downloadFile, type DownloadDeps } from "./download";
import type { InputCache } from "./input-cache";
import type { TaskPaths } from "./paths";
import { unpackArchive } from "./unpack-archive";

export interface LocalInputs {
  readonly datasetPath: string;
  readonly evalDatasetPath: string | null;
  readonly functionPaths: ReadonlyMap<string, string>;
  readonly baseDir: string | null;
  readonly resumeDir: string | null;
}

export interface InputDeps extends DownloadDeps {
  readonly inputs: InputCache;
}

/** An input could not be had: the message names it, for people. */
export class InputError extends Error {}

export async function fetchInputs(
  lease: Lease,
  paths: TaskPaths,
  deps: InputDeps,
  signal: AbortSignal,
): Promise<LocalInputs> {
  const { dataset, eval_dataset: evalDataset, functions, base_checkpoint: base, resume } = lease.inputs;
  const fetch = async (what: string, source: Download, path: string): Promise<void> => {
    await mkdir(dirname(path), { recursive: true });
    await named(what, deps.inputs.fetch(source, path, deps, signal), signal);
  };
  const datasetPath = join(paths.inputs, `dataset${safeExtension(dataset.name)}`);
  await fetch("dataset", dataset, datasetPath);
  const evalDatasetPath = evalDataset ? join(paths.inputs, `eval-dataset${safeExtension(evalDataset.name)}`) : null;
  if (evalDataset && evalDatasetPath !== null) await fetch("dataset for evaluation", evalDataset, evalDatasetPath);
  const functionPaths = new Map(functions.map(({ id }, index) => [id, join(paths.inputs, `function-${index}.py`)]));
  for (const source of functions) await fetch(`function ${source.id}`, source, functionPaths.get(source.id) ?? "");
  if (base) await fetchBase(base, paths, fetch, signal);
  // A checkpoint to go on from is used once: it is not kept.
  for (const file of resume?.files ?? []) {
    if (file.role !== "resume") continue;
    const path = join(paths.resume, file.path);
    await mkdir(dirname(path), { recursive: true });
    await named(`checkpoint file ${file.path}`, downloadFile(file, path, deps, signal), signal);
  }
  return {
    datasetPath,
    evalDatasetPath,
    functionPaths,
    baseDir: base ? paths.base : null,
    resumeDir: resume ? paths.resume : null,
  };
}

async function fetchBase(
  base: CheckpointInput,
  paths: TaskPaths,
  fetch: (what: string, source: Download, path: string) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const archive = base.files.find((file) => file.role === "model");
  if (!archive) throw new InputError(`checkpoint ${base.checkpoint_id} has no model to start from`);
  const path = join(paths.inputs, "base.tar.gz");
  await fetch("base model", archive, path);
  await named("base model", unpackArchive(path, paths.base, signal), signal);
  await rm(path);
}

/** Local trouble (a full disk) keeps its own error; all else is the input's. */
async function named(what: string, work: Promise<void>, signal: AbortSignal): Promise<void> {
  try {
    await work;
  } catch (error) {
    const isLocal = error instanceof Error && "syscall" in error;
    if (signal.aborted || isLocal || !(error instanceof Error)) throw error;
    throw new InputError(`${what}: ${error.message}`, { cause: error });
  }
}

/** Loaders go by the extension; anything odd in a name of the user's stays out of our paths. */
function safeExtension(name: string): string {
  const extension = extname(name).toLowerCase();
  return /^\.[a-z0-9]{1,10}$/.test(extension) ? extension : ".jsonl";
}
