/** The regular files below a folder of the trainer's, by relative path, sorted. A link or device there is refused. */
import { readdir, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";

export interface FolderFile {
  /** Relative, with forward slashes. */
  readonly path: string;
  readonly localPath: string;
  readonly size: number;
}

export async function listFolder(folder: string): Promise<FolderFile[]> {
  const files: FolderFile[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const localPath = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) continue;
    if (!entry.isFile()) throw new Error(`${localPath} is not a regular file`);
    const path = relative(folder, localPath).split(sep).join("/");
    files.push({ path, localPath, size: (await stat(localPath)).size });
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}
