/** Reward functions: the source is checked as text and kept as it came; it runs only on an agent, in its own process. */
import type { FunctionFormat } from "../../protocol";
import type { Principal } from "../domain/accounts";
import type { FunctionRecord } from "../domain/artifacts";
import { checkedName, notFound } from "../domain/errors";
import type { BlobStore, Clock, FunctionStore, Ids, Page, PageRequest } from "../domain/ports";
import { checkRewardSource } from "../domain/reward-source";

export interface FunctionPorts {
  functions: FunctionStore;
  blobs: BlobStore;
  ids: Ids;
  clock: Clock;
}

export async function createFunction(
  ports: FunctionPorts,
  principal: Principal,
  fn: { name: string; format: FunctionFormat; source: Uint8Array },
): Promise<FunctionRecord> {
  const name = checkedName(fn.name);
  checkRewardSource(fn.source, fn.format);
  const id = ports.ids.next();
  const r2Key = `functions/${principal.accountId}/${id}.py`;
  const stored = await ports.blobs.putBytes(r2Key, fn.source);
  const record: FunctionRecord = {
    id,
    accountId: principal.accountId,
    projectId: principal.projectId,
    name,
    format: fn.format,
    ...stored,
    r2Key,
    createdAtMs: ports.clock.nowMs(),
  };
  await ports.functions.create(record);
  return record;
}

export async function getFunction(
  ports: FunctionPorts,
  principal: Principal,
  id: string | null,
): Promise<FunctionRecord> {
  const fn = id === null ? null : await ports.functions.get(principal.accountId, id);
  if (!fn) throw notFound("reward function");
  return fn;
}

export async function listFunctions(
  ports: FunctionPorts,
  principal: Principal,
  page: PageRequest,
): Promise<Page<FunctionRecord>> {
  return ports.functions.list(principal.accountId, page);
}
