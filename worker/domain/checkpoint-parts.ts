/** What a checkpoint of each kind is made of, by the kind of its task. */
import type { ArtifactRole, CheckpointKind, CommitCheckpointRequest, TaskKind } from "../../protocol";
import { invalid } from "./errors";

type Parts = Partial<Record<ArtifactRole, "one" | "one at most" | "any">>;

const MODEL: Parts = { model: "one", adapter: "one at most" };

const PARTS: Record<TaskKind, Partial<Record<CheckpointKind, Parts>>> = {
  train: { epoch: MODEL, final: MODEL, resume: { resume: "any" }, test: { results: "one" } },
  preprocess: { final: { cache: "one" } },
  import: { final: { model: "one", tokenizer: "one" } },
  serve: {},
};

type Sent = Pick<CommitCheckpointRequest, "kind" | "files" | "results">;

/** Throws `invalid_request` naming the field. */
export function checkParts(task: TaskKind, { kind, files, results }: Sent): void {
  const parts = PARTS[task][kind];
  if (!parts) throw invalid("kind", `a task of kind ${task} has no checkpoints of kind ${kind}`);
  const what = `a ${kind} checkpoint of a task of kind ${task}`;
  const other = files.find(({ role }) => parts[role] === undefined);
  if (other) throw invalid("files", `${what} has no file of role ${other.role}`);
  for (const [role, wanted] of Object.entries(parts)) {
    const count = files.filter((file) => file.role === role).length;
    if (wanted === "any" || count === 1 || (wanted === "one at most" && count === 0)) continue;
    throw invalid("files", `${what} has one file of role ${role}, and was sent with ${String(count)}`);
  }
  if (kind === "test" && results === undefined) throw invalid("results", "a test tells the mean of each function");
  if (kind !== "test" && results !== undefined) throw invalid("results", `${what} has no results`);
}
