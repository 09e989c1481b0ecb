/**
 * Everything a lease names, on this machine's disk: data sets, tokenised data, functions, the base's weights, resume
 * files, models to test.
 */
import { mkdir, rm } from "node:fs/promises";
import { dirname, extname, join } from "node:path";
import type { CheckpointInput, Download, Lease } from "../../protocol";
import { downloadFile, type DownloadDeps } from "./download";
import type { InputCache } from "./input-cache";
import type { TaskPaths } from "./paths";
import { unpackArchive } from "./unpack-archive";

/** A checkpoint of an earlier attempt that is still to be tested. */
export interface UntestedModel {
  readonly step: number;
  readonly epoch: number;
  readonly dir: string;
}

export interface LocalInputs {
  /** null for an import. */
  readonly datasetPath: string | null;
  readonly evalDatasetPath: string | null;
  /** What a preprocess task has made of the data. */
  readonly preprocessedDir: string | null;
  readonly functionPaths: ReadonlyMap<string, string>;
  readonly baseDir: string | null;
  readonly resumeDir: string | null;
  readonly testDatasetPath: string | null;
  readonly testFunctionPaths: ReadonlyMap<string, string>;
  readonly untested: readonly UntestedModel[];
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
  const { dataset, preprocessed, eval_dataset: evalDataset, functions, resume, test } = lease.inputs;
  const { base_checkpoint: base } = lease.inputs;
  const fetch = async (what: string, source: Download, path: string): Promise<void> => {
    await mkdir(dirname(path), { recursive: true });
    await named(what, deps.inputs.fetch(source, path, deps, signal), signal);
  };
  const datasetPath = dataset ? join(paths.inputs, `dataset${safeExtension(dataset.name)}`) : null;
  if (dataset && datasetPath !== null) await fetch("dataset", dataset, datasetPath);
  const evalDatasetPath = evalDataset ? join(paths.inputs, `eval-dataset${safeExtension(evalDataset.name)}`) : null;
  if (evalDataset && evalDatasetPath !== null) await fetch("dataset for evaluation", evalDataset, evalDatasetPath);
  const testDatasetPath = test?.dataset ? join(paths.inputs, `test-dataset${safeExtension(test.dataset.name)}`) : null;
  if (test?.dataset && testDatasetPath !== null) await fetch("dataset for tests", test.dataset, testDatasetPath);
  const fetchFunctions = async (sources: readonly (Download & { id: string })[], prefix: string) => {
    const local = new Map(sources.map(({ id }, index) => [id, join(paths.inputs, `${prefix}-${index}.py`)]));
    for (const source of sources) await fetch(`function ${source.id}`, source, local.get(source.id) ?? "");
    return local;
  };
  const functionPaths = await fetchFunctions(functions, "function");
  const testFunctionPaths = await fetchFunctions(test?.functions ?? [], "test-function");
  const fetchArchive = archiveFetcher(paths, signal);
  if (preprocessed) await fetchArchive("preprocessed data", "cache", preprocessed, paths.preprocessed, fetch);
  if (base) await fetchArchive("base model", "model", base, paths.base, fetch);
  // A checkpoint to go on from is used once: it is not kept.
  for (const file of resume?.files ?? []) {
    if (file.role !== "resume") continue;
    const path = join(paths.resume, file.path);
    await mkdir(dirname(path), { recursive: true });
    await named(`checkpoint file ${file.path}`, downloadFile(file, path, deps, signal), signal);
  }
  const untested: UntestedModel[] = [];
  for (const checkpoint of test?.untested ?? []) {
    const { step, epoch } = checkpoint;
    const dir = join(paths.untested, String(step));
    // These are used once, too.
    const fetchOnce = (what: string, source: Download, path: string): Promise<void> =>
      named(what, downloadFile(source, path, deps, signal), signal);
    await fetchArchive(`checkpoint of step ${step}`, "model", checkpoint, dir, fetchOnce);
    untested.push({ step, epoch, dir });
  }
  return {
    datasetPath,
    evalDatasetPath,
    preprocessedDir: preprocessed ? paths.preprocessed : null,
    functionPaths,
    baseDir: base ? paths.base : null,
    resumeDir: resume ? paths.resume : null,
    testDatasetPath,
    testFunctionPaths,
    untested,
  };
}

/** A checkpoint's archive of a role, unpacked in `folder`. */
function archiveFetcher(paths: TaskPaths, signal: AbortSignal) {
  return async (
    what: string,
    role: "model" | "cache",
    checkpoint: CheckpointInput,
    folder: string,
    fetch: (what: string, source: Download, path: string) => Promise<void>,
  ): Promise<void> => {
    const archive = checkpoint.files.find((file) => file.role === role);
    if (!archive) throw new InputError(`checkpoint ${checkpoint.checkpoint_id} has no ${role}`);
    const path = join(paths.inputs, `${role}.tar.gz`);
    await fetch(what, archive, path);
    await named(what, unpackArchive(path, folder, signal), signal);
    await rm(path);
  };
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
