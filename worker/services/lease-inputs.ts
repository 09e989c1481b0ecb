/** What a lease gives its agent to fetch: every file by a signed URL, with its size and SHA-256. */
import { SHARED_FUNCTION_PREFIX, type CheckpointInput, type Lease } from "../../protocol";
import type { CheckpointRecord } from "../domain/artifacts";
import { DomainError } from "../domain/errors";
import type { JobRecord } from "../domain/job";
import type {
  BlobStore,
  CheckpointStore,
  DatasetStore,
  FunctionStore,
  JobStore,
  ManifestStore,
  UrlSigner,
} from "../domain/ports";
import { SHARED_FUNCTIONS } from "../domain/shared-functions";
import { checkpointFiles } from "./model-download";
import { untestedCheckpoints } from "./untested-checkpoints";

export interface InputPorts {
  jobs: JobStore;
  datasets: DatasetStore;
  functions: FunctionStore;
  checkpoints: CheckpointStore;
  manifests: ManifestStore;
  blobs: BlobStore;
  urls: UrlSigner;
  sha256Hex: (bytes: Uint8Array) => Promise<string>;
}

type Inputs = Lease["inputs"];
type TestInputs = NonNullable<Inputs["test"]>;
type TestFunction = TestInputs["functions"][number];

/** Throws a `DomainError` for an input that is gone. */
export async function leaseInputs(ports: InputPorts, job: JobRecord, origin: string): Promise<Inputs> {
  const [dataset, preprocessed, evalDataset, functions, baseCheckpoint, resume, test] = await Promise.all([
    job.datasetId === "" ? null : datasetInput(ports, job, job.datasetId, origin),
    preprocessedInput(ports, job, origin),
    evalDatasetInput(ports, job, origin),
    rewardFunctions(ports, job, origin),
    baseCheckpointOf(ports, job).then((found) => checkpointInput(ports, found, origin)),
    resumeCheckpointOf(ports, job).then((found) => checkpointInput(ports, found, origin)),
    testInputs(ports, job, origin),
  ]);
  return { dataset, preprocessed, eval_dataset: evalDataset, functions, base_checkpoint: baseCheckpoint, resume, test };
}

/** Tokenised data that is gone is made again by the trainer: it saves time, and changes nothing. */
async function preprocessedInput(ports: InputPorts, job: JobRecord, origin: string): Promise<Inputs["preprocessed"]> {
  const { preprocessed_by: taskId } = job.spec;
  const made = taskId === undefined ? null : await ports.jobs.get(job.accountId, taskId);
  if (!made?.finalCheckpointId) return undefined;
  const checkpoint = await ports.checkpoints.get(made.id, made.finalCheckpointId);
  if (checkpoint?.state !== "committed") return undefined;
  return (await checkpointInput(ports, checkpoint, origin)) ?? undefined;
}

async function evalDatasetInput(ports: InputPorts, job: JobRecord, origin: string): Promise<Inputs["eval_dataset"]> {
  const { eval: evaluation } = job.spec;
  if (!evaluation || !("dataset_id" in evaluation)) return undefined;
  return datasetInput(ports, job, evaluation.dataset_id, origin);
}

async function datasetInput(
  ports: InputPorts,
  job: JobRecord,
  id: string,
  origin: string,
): Promise<NonNullable<Inputs["dataset"]>> {
  const dataset = await ports.datasets.get(job.accountId, id);
  if (!dataset) throw new DomainError("not_found", "the job's dataset is gone");
  const { r2Key: key, sizeBytes, accountId, sha256, format, name, fileName } = dataset;
  const url = await ports.urls.download({ key, sizeBytes, sha256, filename: "dataset.jsonl", accountId }, origin);
  // Loaders go by the extension, which a name that somebody gave need not have.
  return { url, size: sizeBytes, sha256, format, name: fileName ?? name };
}

async function rewardFunctions(ports: InputPorts, job: JobRecord, origin: string): Promise<Inputs["functions"]> {
  return Promise.all(
    job.spec.functions.map(async ({ id, weight }) => ({ ...(await functionInput(ports, job, id, origin)), weight })),
  );
}

async function functionInput(ports: InputPorts, job: JobRecord, id: string, origin: string): Promise<TestFunction> {
  const { accountId } = job;
  const { key, sizeBytes, sha256, name, format } = id.startsWith(SHARED_FUNCTION_PREFIX)
    ? await sharedFunction(ports, id.slice(SHARED_FUNCTION_PREFIX.length))
    : await ownFunction(ports, accountId, id);
  const url = await ports.urls.download({ key, sizeBytes, sha256, filename: `${id}.py`, accountId }, origin);
  return { id, name, format, url, size: sizeBytes, sha256 };
}

async function ownFunction({ functions }: InputPorts, accountId: string, id: string) {
  const fn = await functions.get(accountId, id);
  if (!fn) throw new DomainError("not_found", "a function of the job is gone");
  return { ...fn, key: fn.r2Key };
}

/** One that comes with Anneal, stored under its own hash: an agent fetches it as it does those of the account. */
async function sharedFunction({ blobs, sha256Hex }: InputPorts, name: string) {
  const shared = SHARED_FUNCTIONS.find((fn) => fn.name === name);
  if (!shared) throw new DomainError("not_found", `there is no shared function ${name} any more`);
  const bytes = new TextEncoder().encode(shared.content);
  const sha256 = await sha256Hex(bytes);
  const key = `functions/shared/${sha256}.py`;
  await blobs.putIfAbsent(key, bytes);
  return { key, sizeBytes: bytes.byteLength, sha256, name, format: "test" as const };
}

async function baseCheckpointOf(ports: InputPorts, job: JobRecord): Promise<CheckpointRecord | null> {
  const base = job.spec.base_model;
  if (base.kind !== "job") return null;
  const baseJob = await ports.jobs.get(job.accountId, base.job_id);
  if (!baseJob) throw new DomainError("not_found", "the job that this one begins from was deleted");
  if (base.ordinal !== undefined) return ports.checkpoints.byOrdinal(base.job_id, base.ordinal);
  return baseJob.finalCheckpointId ? ports.checkpoints.get(baseJob.id, baseJob.finalCheckpointId) : null;
}

/** Where the attempt goes on: the job's own last resume checkpoint, or that of the job which it tries again. */
async function resumeCheckpointOf(
  { checkpoints }: InputPorts,
  { id, startJobId, finalCheckpointId }: JobRecord,
): Promise<CheckpointRecord | null> {
  if (finalCheckpointId !== null) return null;
  return (await checkpoints.newestResume(id)) ?? (startJobId === null ? null : checkpoints.newestResume(startJobId));
}

async function testInputs(ports: InputPorts, job: JobRecord, origin: string): Promise<Inputs["test"]> {
  const { test } = job.spec;
  if (!test) return undefined;
  const [dataset, functions, untested] = await Promise.all([
    "dataset_id" in test ? datasetInput(ports, job, test.dataset_id, origin) : undefined,
    Promise.all(test.functions.map(({ id }) => functionInput(ports, job, id, origin))),
    untestedModels(ports, job, origin),
  ]);
  return { dataset, functions, untested, is_trained: job.finalCheckpointId !== null };
}

async function untestedModels(ports: InputPorts, job: JobRecord, origin: string): Promise<CheckpointInput[]> {
  const untested = await untestedCheckpoints(ports, job.id);
  const inputs = await Promise.all(untested.map((checkpoint) => checkpointInput(ports, checkpoint, origin)));
  return inputs
    .filter((input) => input !== null)
    .map((input) => ({ ...input, files: input.files.filter((file) => file.role === "model") }));
}

async function checkpointInput(
  ports: InputPorts,
  checkpoint: CheckpointRecord | null,
  origin: string,
): Promise<CheckpointInput | null> {
  if (!checkpoint) return null;
  const files = await checkpointFiles(ports, checkpoint, origin);
  return {
    checkpoint_id: checkpoint.id,
    step: checkpoint.step,
    epoch: checkpoint.epoch,
    files: files.map(({ sizeBytes, ...file }) => ({ ...file, size: sizeBytes })),
  };
}
