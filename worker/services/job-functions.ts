/** The functions that a job's request names, for rewards and for tests: the account's own, or shared ones. */
import { SHARED_FUNCTION_PREFIX, type FunctionFormat, type Method } from "../../protocol";
import type { Principal } from "../domain/accounts";
import { DomainError, invalid } from "../domain/errors";
import type { FunctionStore } from "../domain/ports";
import { checkFunctionCount, checkFunctionIds } from "../domain/testing";
import { findTestFunction } from "./create-function";
import type { FunctionRef } from "./services";

interface FunctionPorts {
  functions: FunctionStore;
}

export interface FoundFunction {
  id: string;
  format: FunctionFormat;
}

export async function rewardFunctions(
  ports: FunctionPorts,
  principal: Principal,
  method: Method,
  refs: FunctionRef[],
): Promise<FoundFunction[]> {
  const field = "reward_function_id";
  if (method === "grpo" && refs.length === 0) {
    throw invalid(field, "grpo needs a reward function: upload one and name it here");
  }
  if (method !== "grpo" && refs.length > 0) {
    throw invalid(field, `must be omitted: ${method} takes no reward function`);
  }
  checkFunctionCount(field, refs.length);
  return Promise.all(refs.map((ref) => find(ports, principal, ref, field)));
}

export async function testFunctions(
  ports: FunctionPorts,
  principal: Principal,
  refs: FunctionRef[],
): Promise<FoundFunction[]> {
  const field = "test.functions";
  checkFunctionCount(field, refs.length);
  const found = await Promise.all(refs.map((ref) => find(ports, principal, ref, field)));
  const other = found.find(({ format }) => format !== "test");
  if (other) throw invalid(field, `takes functions of format test, and one is of format ${other.format}`);
  const ids = found.map(({ id }) => id);
  checkFunctionIds(field, ids);
  return found;
}

async function find(
  ports: FunctionPorts,
  principal: Principal,
  ref: FunctionRef,
  field: string,
): Promise<FoundFunction> {
  if ("name" in ref) {
    const id = await findTestFunction(ports, principal, ref.name);
    if (id === null) throw new DomainError("not_found", `there is no testing function '${shown(ref.name)}'`, { field });
    return { id, format: "test" };
  }
  const fn = ref.id === null ? null : await ports.functions.get(principal.accountId, ref.id);
  if (!fn) throw new DomainError("not_found", "function not found", { field });
  return { id: fn.id, format: fn.format };
}

/** Each function's name by its id, for those who show them so. One that is deleted keeps its id. */
export async function functionNames(
  { functions }: FunctionPorts,
  principal: Principal,
  ids: string[],
): Promise<Map<string, string>> {
  const own = ids.filter((id) => !id.startsWith(SHARED_FUNCTION_PREFIX));
  const names = await functions.names(principal.accountId, [...new Set(own)]);
  for (const id of ids) {
    if (id.startsWith(SHARED_FUNCTION_PREFIX)) names.set(id, id.slice(SHARED_FUNCTION_PREFIX.length));
  }
  return names;
}

function shown(name: string): string {
  return name.length > 100 ? `${name.slice(0, 100)}…` : name;
}
