/** A `checkpoint` line of the trainer → the files to upload: archives of what the task has made, its own to resume, a test's table. */
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { ArchiveMember, ArtifactRole, TaskKind, TrainerLine } from "../../protocol";
import { listFolder } from "./list-folder";
import { packArchive } from "./pack-archive";
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
  task: TaskKind,
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
  const files: LocalFile[] = [];
  for (const [role, folder] of archivesOf(line, task)) files.push(await archive(role, folder, paths.upload, signal));
  return files;
}

/** The folders that a checkpoint line hands over to the agent. */
export function foldersOf(line: CheckpointLine): string[] {
  return [line.dir, line.adapter_dir, line.tokenizer_dir].filter((folder) => folder !== undefined);
}

/** What a preprocess task has made is no model. */
function archivesOf({ dir, adapter_dir, tokenizer_dir }: CheckpointLine, task: TaskKind): [ArtifactRole, string][] {
  const first = task === "preprocess" ? "cache" : "model";
  const adapter: [ArtifactRole, string][] = adapter_dir === undefined ? [] : [["adapter", adapter_dir]];
  const tokenizer: [ArtifactRole, string][] = tokenizer_dir === undefined ? [] : [["tokenizer", tokenizer_dir]];
  return [[first, dir], ...adapter, ...tokenizer];
}

async function archive(role: ArtifactRole, folder: string, uploadDir: string, signal: AbortSignal): Promise<LocalFile> {
  const files = await listFolder(folder);
  if (files.length === 0) throw new Error(`checkpoint folder ${folder} is empty`);
  const path = `${role}.tar.gz`;
  const localPath = join(uploadDir, path);
  const members = await packArchive(files, localPath, signal);
  return { role, path, localPath, size: (await stat(localPath)).size, members };
}
