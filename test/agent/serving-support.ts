/** What the tests of serving share: a serve task, and deployments with and without files. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { listFolder } from "../../agent/src/list-folder";
import { packArchive } from "../../agent/src/pack-archive";
import type { Lease, ServedDeployment } from "../../protocol";
import type { AgentApiServer } from "../harness/agent-api-server";
import { addTask, type Bench } from "./support";

/** Of the server's one engine. */
export function addServeTask(api: AgentApiServer, changes: Partial<Lease> = {}): Lease {
  const lease = addTask(api, { kind: "serve", slot_id: "serve", ...changes });
  lease.spec.serve = { engine_id: "eng_1", task: "text-generation", memory_bytes: 1_000_000 };
  lease.inputs = { dataset: null, functions: [], base_checkpoint: null, resume: null };
  return lease;
}

export const base = (id: string): ServedDeployment => ({ id, task: "text-generation", checkpoint: null });

/** A deployment whose checkpoint has an archive of these files. */
export async function trained(
  { api, dir }: Bench,
  id: string,
  role: "model" | "adapter",
  names: string[],
): Promise<ServedDeployment> {
  const folder = join(dir, `files-of-${id}`);
  mkdirSync(folder);
  for (const name of names) writeFileSync(join(folder, name), `${name} of ${id}`);
  const path = `${role}.tar.gz`;
  const archive = join(dir, `${id}.tar.gz`);
  await packArchive(await listFolder(folder), archive, new AbortController().signal);
  const file = { role, path, ...api.files.offer(readFileSync(archive)) };
  return { id, task: "text-generation", checkpoint: { checkpoint_id: `ckpt_${id}`, step: 1, epoch: 1, files: [file] } };
}
