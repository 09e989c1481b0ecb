/** What engines and deployments are called: a deployment by what requests say as `model`, so it may mean nothing else. */
import { catalogueModel } from "./catalogue";
import { checkedName, invalid } from "./errors";
import { parseId } from "./ids";

/** As dialects write the ids of deployments. */
const ID_PREFIXES = ["dp-", "dep_"];
const MAX_STEM_CHARS = 180;

/** Throws naming `name`. */
export function checkDeploymentName(name: string): string {
  checkedName(name);
  if (catalogueModel(name)) throw invalid("name", `'${name}' is a base model's name, which requests may mean`);
  if (ID_PREFIXES.some((prefix) => parseId(prefix, name) !== null)) throw invalid("name", "looks like an id");
  return name;
}

/** `meta-llama/Llama-3.2-1B` → `Llama-3.2-1B`; of a path its last part. */
export function shortModelName(baseModel: string): string {
  const parts = baseModel.split("/").filter((part) => part !== "");
  return (parts.at(-1) ?? "model").slice(0, MAX_STEM_CHARS);
}

export function checkpointName(jobName: string, ordinal: number): string {
  return `${jobName.slice(0, MAX_STEM_CHARS)}-checkpoint-${String(ordinal)}`;
}

/** The n-th try at a name that nobody has chosen: `x`, `x-2`, `x-3`. */
export function numbered(stem: string, n: number): string {
  return n === 1 ? stem : `${stem}-${String(n)}`;
}
