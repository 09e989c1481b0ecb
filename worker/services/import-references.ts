/** Whether what the rows of an import refer to is there: asked once for each id, a batch at a time. */
import type { RunOwner, RunStore } from "../domain/ports";
import { lineFault } from "../domain/row-reader";
import type { RunRecord } from "../domain/runs";

export interface ImportedRow {
  run: RunRecord;
  line: number;
}

export class ImportReferences {
  readonly #runs: RunStore;
  readonly #owner: RunOwner;
  readonly #environments = new Set<string>();
  readonly #parents = new Set<string>();

  constructor(runs: RunStore, owner: RunOwner) {
    this.#runs = runs;
    this.#owner = owner;
  }

  /** Throws naming the first line that refers to something which is not there. */
  async check(batch: ImportedRow[]): Promise<void> {
    const { accountId, projectId } = this.#owner;
    await check(
      batch,
      ({ environmentId }) => environmentId,
      this.#environments,
      "environment",
      (ids) => this.#runs.environments(this.#owner, ids),
    );
    await check(
      batch,
      ({ parentId }) => parentId,
      this.#parents,
      "parent",
      (ids) => this.#runs.existing(accountId, projectId, ids),
    );
  }
}

/** `known` grows. */
async function check(
  batch: ImportedRow[],
  idOf: (run: RunRecord) => string | null,
  known: Set<string>,
  field: string,
  existing: (ids: string[]) => Promise<string[]>,
): Promise<void> {
  const asked = new Set(batch.map(({ run }) => idOf(run)).filter((id) => id !== null && !known.has(id)));
  if (asked.size === 0) return;
  for (const id of await existing([...asked] as string[])) known.add(id);
  const wrong = batch.find(({ run }) => {
    const id = idOf(run);
    return id !== null && !known.has(id);
  });
  if (wrong)
    throw lineFault(wrong.line, `is wrong in ${field}: there is no such ${field === "parent" ? "run" : "environment"}`);
}
