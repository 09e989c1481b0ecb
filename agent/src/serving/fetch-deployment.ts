/** A deployment's checkpoint on this machine's disk, checked and unpacked, and what a model server is told of it. */
import { access, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { LoadModel, ServedDeployment } from "../../../protocol";
import type { InputDeps } from "../inputs";
import { unpackArchive } from "../unpack-archive";

/** PEFT's own name: what has it is an adapter, whatever its role is called. */
const ADAPTER_FILE = "adapter_config.json";

/** `folder` is the deployment's own. Throws with what is wrong with its files. */
export async function fetchDeployment(
  { id, checkpoint }: ServedDeployment,
  folder: string,
  deps: InputDeps,
  signal: AbortSignal,
): Promise<LoadModel> {
  if (!checkpoint) return { id, form: "base", path: null };
  const archive =
    checkpoint.files.find(({ role }) => role === "adapter") ?? checkpoint.files.find(({ role }) => role === "model");
  if (!archive) throw new Error(`checkpoint ${checkpoint.checkpoint_id} has no model`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const file = join(folder, "archive.tar.gz");
  const path = join(folder, "model");
  await deps.inputs.fetch(archive, file, deps, signal);
  await unpackArchive(file, path, signal);
  await rm(file);
  const form = (await isThere(join(path, ADAPTER_FILE))) ? "adapter" : "weights";
  return { id, form, path };
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
