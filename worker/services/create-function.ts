/** Reward and testing functions: the source is checked as text and kept as it came; it runs only on an agent, in its own process. */
import type { FunctionFormat } from "../../protocol";
import type { Principal } from "../domain/accounts";
import type { FunctionRecord } from "../domain/artifacts";
import { checkedName, DomainError, notFound } from "../domain/errors";
import type { BlobStore, Clock, FunctionStore, Ids, Page, PageRequest } from "../domain/ports";
import { checkRewardSource, MAX_SOURCE_BYTES } from "../domain/reward-source";
import {
  checkTestName,
  dependenciesIn,
  MAX_TEST_FUNCTIONS,
  sharedFunctionId,
  sharedFunctions,
  type TestFunction,
} from "../domain/test-function";

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
  if (fn.format === "test") await checkNewTest(ports, principal, name);
  checkRewardSource(fn.source, fn.format, name);
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
  try {
    await ports.functions.create(record);
  } catch (error) {
    // Of two of one name that come at the same time, D1 takes the first.
    if (fn.format !== "test" || !(await ports.functions.findTest(principal.accountId, name))) throw error;
    await ports.blobs.delete([r2Key]);
    throw taken(name);
  }
  return record;
}

async function checkNewTest(ports: FunctionPorts, { accountId }: Principal, name: string): Promise<void> {
  checkTestName(name);
  const own = await ports.functions.listTests(accountId, MAX_TEST_FUNCTIONS);
  if (own.some((fn) => fn.name === name)) throw taken(name);
  if (own.length < MAX_TEST_FUNCTIONS) return;
  const most = String(MAX_TEST_FUNCTIONS);
  throw new DomainError(
    "conflict",
    `the account has ${most} testing functions, the most there may be; delete some first`,
  );
}

function taken(name: string): DomainError {
  const message = `the account has a testing function '${name}' already: delete it first, or take another name`;
  return new DomainError("conflict", message, { field: "name" });
}

/** Those that every account has, then its own. */
export async function listTestFunctions(ports: FunctionPorts, principal: Principal): Promise<TestFunction[]> {
  const own = await ports.functions.listTests(principal.accountId, MAX_TEST_FUNCTIONS);
  const read = own.map(async ({ name, r2Key }) => {
    const source = await ports.blobs.getBytes(r2Key, MAX_SOURCE_BYTES);
    // Deleted in this very moment.
    if (source === null) return [];
    const content = new TextDecoder().decode(source);
    return [{ name, content, dependencies: dependenciesIn(content) }];
  });
  return [...sharedFunctions(), ...(await Promise.all(read)).flat()];
}

/** What jobs call it by: `shared:<name>`, or the bare id of one of the account; null when there is none. */
export async function findTestFunction(
  ports: Pick<FunctionPorts, "functions">,
  principal: Principal,
  name: string,
): Promise<string | null> {
  return sharedFunctionId(name) ?? (await ports.functions.findTest(principal.accountId, name))?.id ?? null;
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
