/** A `checkpoint` line of the trainer → the files to upload: archives of model and adapter, its own to resume, a test's table. */
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { ArchiveMember, ArtifactRole, TrainerLine } from "../../protocol";
import { listFolder } from "./list-folder";
import { packModel } from "./pack-model";
import { isInside, type TaskPaths } from "./paths";

/** What a test has in its folder. */
const RESULTS_FILE = "results.jsonl";

export type CheckpointLine = Extract<TrainerLine, { type: "checkpoint" }>;

export interface LocalFile {
  readonly role: ArtifactRole;
  readonly path: string;
  readonly localPath: string;
  readonly size: number;
  readonly members?: ArchiveMember[];
}

/** Throws when the trainer names a folder that is not its own, or an empty one. */
export async function checkpointFiles(
  line: CheckpointLine,
  paths: TaskPaths,
  signal: AbortSignal,
): Promise<LocalFile[]> {
  for (const folder of foldersOf(line)) {
    if (!(await isInside(paths.output, folder))) throw new Error(`checkpoint folder ${folder} is not in the output`);
  }
  if (line.kind === "resume") {
    const files = await listFolder(line.dir);
    if (files.length === 0) throw new Error(`checkpoint folder ${line.dir} is empty`);
    return files.map((file) => ({ role: "resume", ...file }));
  }
  if (line.kind === "test") {
    const table = (await listFolder(line.dir)).find(({ path }) => path === RESULTS_FILE);
    if (!table) throw new Error(`the test in ${line.dir} has no ${RESULTS_FILE}`);
    return [{ role: "results", ...table }];
  }
  await mkdir(paths.upload, { recursive: true });
  const model = await archive("model", line.dir, paths.upload, signal);
  if (line.adapter_dir === undefined) return [model];
  return [model, await archive("adapter", line.adapter_dir, paths.upload, signal)];
}

/** The folders that a checkpoint line hands over to the agent. */
export function foldersOf(line: CheckpointLine): string[] {
  return line.adapter_dir === undefined ? [line.dir] : [line.dir, line.adapter_dir];
}

async function archive(
  role: "model" | "adapter",
  folder: string,
  uploadDir: string,
  signal: AbortSignal,
): Promise<LocalFile> {
  const files = await listFolder(folder);
  if (files.length === 0) throw new Error(`checkpoint folder ${folder} is empty`);
  const path = `${role}.tar.gz`;
  const localPath = join(uploadDir, path);
  const members = await packModel(files, localPath, signal);
  return { role, path, localPath, size: (await stat(localPath)).size, members };
}
