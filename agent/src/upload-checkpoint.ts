/**
 * One checkpoint from disk to a committed record: pack, begin, parts, commit. If the worker refuses on the way (a signed
 * URL has run out, a part is not what was hashed) it is begun again at fresh keys a few times.
 */
import type {
  BeginCheckpointResponse,
  CommitCheckpointRequest,
  CommitCheckpointResponse,
  TaskKind,
} from "../../protocol";
import type { AgentApi } from "./api-client";
import { ApiError, isStaleLease, isTransient } from "./api-error";
import { checkpointFiles, type CheckpointLine, type LocalFile } from "./checkpoint-files";
import { hashFiles } from "./hashing";
import type { Log } from "./log";
import type { TaskPaths } from "./paths";
import { TRANSFER } from "./retry";
import { uploadParts, type UploadDeps } from "./upload-parts";

/** A checkpoint that is refused three times in a row is not the network's fault. */
const MAX_BEGINS = 3;

export interface UploadCheckpointDeps extends UploadDeps {
  readonly api: AgentApi;
  readonly log: Log;
  readonly leaseId: string;
  /** What its checkpoints are made of. */
  readonly task: TaskKind;
  readonly paths: TaskPaths;
  /** Resolves when all that the trainer told before this checkpoint has reached the worker. */
  readonly reported: () => Promise<void>;
}

export async function uploadCheckpoint(
  line: CheckpointLine,
  deps: UploadCheckpointDeps,
  signal: AbortSignal,
): Promise<CommitCheckpointResponse> {
  const files = await checkpointFiles(line, deps.task, deps.paths, signal);
  for (let begins = 1; ; begins += 1) {
    try {
      return await uploadOnce(line, files, deps, signal);
    } catch (error) {
      const isRefusal = error instanceof ApiError && !isTransient(error) && !isStaleLease(error);
      if (!isRefusal || begins >= MAX_BEGINS) throw error;
      deps.log.warn(`${deps.leaseId}: checkpoint at step ${line.step} is begun again: ${error.message}`);
    }
  }
}

async function uploadOnce(
  line: CheckpointLine,
  files: readonly LocalFile[],
  deps: UploadCheckpointDeps,
  signal: AbortSignal,
): Promise<CommitCheckpointResponse> {
  const { api, leaseId, retrier } = deps;
  const request = {
    kind: line.kind,
    step: line.step,
    files: files.map(({ role, path, size }) => ({ role, path, size })),
  };
  const begun = await retrier.run(() => api.beginCheckpoint(leaseId, request, signal), TRANSFER, signal);
  const uploaded = await uploadFiles(files, begun, deps, signal);
  // A committed checkpoint at step S promises the metrics up to S: they must not die with this agent's spool.
  await deps.reported();
  const { kind, step, epoch, world_size, torch_threads, versions } = line;
  const manifest = { kind, step, epoch, world_size, torch_threads, versions };
  const results = kind === "test" ? { results: line.results ?? {} } : {};
  const commit = { checkpoint_id: begun.checkpoint_id, ...manifest, ...results, files: uploaded };
  return retrier.run(() => api.commitCheckpoint(leaseId, commit, signal), TRANSFER, signal);
}

async function uploadFiles(
  files: readonly LocalFile[],
  begun: BeginCheckpointResponse,
  deps: UploadCheckpointDeps,
  signal: AbortSignal,
): Promise<CommitCheckpointRequest["files"]> {
  const targets = files.map((file) => ({ file, target: targetOf(file, begun) }));
  const hashes = await hashFiles(
    targets.map(({ file, target }) => ({ path: file.localPath, partBytes: target.parts.map((part) => part.size) })),
    signal,
  );
  const uploaded: CommitCheckpointRequest["files"] = [];
  for (const [index, { file, target }] of targets.entries()) {
    const { sha256 = "", partMd5s = [] } = hashes[index] ?? {};
    const parts = await uploadParts(file.localPath, target.parts, partMd5s, deps, signal);
    const { role, path, size, members } = file;
    uploaded.push({ role, path, size, sha256, members, upload: target.upload, parts });
  }
  return uploaded;
}

function targetOf(file: LocalFile, begun: BeginCheckpointResponse): BeginCheckpointResponse["files"][number] {
  const target = begun.files.find(({ role, path }) => role === file.role && path === file.path);
  const size = target?.parts.reduce((sum, part) => sum + part.size, 0);
  if (!target || size !== file.size) throw new Error(`the worker gave no fitting upload for ${file.path}`);
  return target;
}
