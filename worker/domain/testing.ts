/** What a job may ask of the tests of its checkpoints: the rules between the fields. */
import { test, type Method, type Test } from "../../protocol";
import type { DatasetRecord, LabelProfile } from "./artifacts";
import { DomainError, invalid } from "./errors";

export const MAX_FUNCTIONS = 20;

/** Datasets and functions have been found to be the account's own. */
export interface WantedTest {
  dataset: DatasetRecord | null;
  splitPercent?: number;
  functionIds: string[];
}

/** Throws `invalid_request` or `dataset_format_incompatible`, naming the field. */
export function normaliseTest(method: Method, trained: DatasetRecord, wanted: WantedTest): Test {
  const { dataset, splitPercent, functionIds } = wanted;
  if ((dataset === null) === (splitPercent === undefined)) {
    throw invalid("test", "needs exactly one of dataset_id and split_percent");
  }
  if (splitPercent !== undefined && !(splitPercent > 0 && splitPercent < 100)) {
    throw invalid("test.split_percent", "must be above 0 and below 100: some rows are for training and some for tests");
  }
  checkFunctionIds("test.functions", functionIds);
  checkTestable(method, trained, dataset);
  const functions = functionIds.map((id) => ({ id }));
  return test.parse(dataset ? { dataset_id: dataset.id, functions } : { split_percent: splitPercent, functions });
}

/** Before any of them is looked for. */
export function checkFunctionCount(field: string, count: number): void {
  if (count > MAX_FUNCTIONS) throw invalid(field, `has more than ${String(MAX_FUNCTIONS)} functions`);
}

export function checkFunctionIds(field: string, ids: string[]): void {
  checkFunctionCount(field, ids.length);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined) throw invalid(field, "names a function twice");
}

/** Testing functions compare with what was expected, so every row must say it. */
export function checkHasAnswers(dataset: DatasetRecord, field: string): void {
  if (dataset.format === "prompt_completion" || dataset.format === "messages") return;
  const needed = "testing functions need rows with an expected output: 'completion', or an assistant's last message";
  throw new DomainError("dataset_format_incompatible", `${needed}; this dataset's format is ${dataset.format}`, {
    field,
  });
}

function checkTestable(method: Method, trained: DatasetRecord, dataset: DatasetRecord | null): void {
  const isGenerated = method === "sft_text" || method === "grpo";
  if (isGenerated) checkHasAnswers(dataset ?? trained, dataset ? "test.dataset_id" : "dataset_id");
  if (dataset) checkAlike(method, trained, dataset, "test.dataset_id");
}

/** Rows to evaluate or to test on are of the kind of those that are trained on. */
export function checkAlike(method: Method, trained: DatasetRecord, dataset: DatasetRecord, field: string): void {
  if (dataset.format !== trained.format) {
    const misfit = `its format is ${dataset.format}, and the training data's is ${trained.format}`;
    throw new DomainError("dataset_format_incompatible", misfit, { field });
  }
  const [labels, trainedLabels] = [dataset.profile?.labels, trained.profile?.labels];
  if (method === "classification" && labels && trainedLabels && !mayBeLabelled(labels, trainedLabels)) {
    const misfit = `its labels are ${labels.kind}, and the training data's are ${trainedLabels.kind}`;
    throw new DomainError("dataset_format_incompatible", misfit, { field });
  }
}

/** A few rows may look simpler than those of their kind: all of one label, or each of one where others have several. */
function mayBeLabelled({ kind, counts }: LabelProfile, trained: LabelProfile): boolean {
  if (kind === trained.kind) return true;
  if (kind === "binary") return counts["negative"] === 0;
  return kind === "multiclass" && trained.kind === "multilabel";
}
