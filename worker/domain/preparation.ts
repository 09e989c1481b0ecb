/** What is done with a dataset's rows before they are trained on: the rules, in the domain's words. */
import type { Method, Rebalance } from "../../protocol";
import type { DatasetRecord, LabelProfile } from "./artifacts";
import { invalid, type DomainError } from "./errors";

/** Shares are written with few digits: 0.333 three times is a whole. */
const SHARES_TOLERANCE = 1e-3;
const MAX_ROWS_OF_A_LABEL = 1_000_000_000;

/** null: every row, which the spec has no word for. Throws `invalid_request` naming `downsample_percent`. */
export function normaliseDownsample(percent: number | undefined): number | null {
  if (percent === undefined || percent === 100) return null;
  if (percent > 0 && percent < 100) return percent;
  throw invalid("downsample_percent", `must be above 0 and at most 100: the percentage of the rows to train on`);
}

/**
 * Shares of the present total, when no value is over 1; else exact counts. A label that is left out of counts keeps its
 * rows; of shares none may be left out, since its rows would silently go: 0 says so. Errors name `rebalance`.
 */
export function normaliseRebalance(method: Method, dataset: DatasetRecord, wanted: Record<string, number>): Rebalance {
  if (method !== "classification") throw refused(`is for classification, and the method is ${method}`);
  const known = knownLabels(dataset);
  const entries = Object.entries(wanted);
  if (entries.length === 0) throw refused("names no label");
  const unknown = entries.find(([label]) => !Object.hasOwn(known.counts, label));
  if (unknown)
    throw refused(`names '${quoted(unknown[0])}', which is no label of the dataset; it has ${listed(known)}`);
  const odd = entries.find(([, value]) => !(value >= 0 && value <= MAX_ROWS_OF_A_LABEL));
  if (odd)
    throw refused(`has ${String(odd[1])} for '${quoted(odd[0])}': a share from 0 to 1 or a number of rows is needed`);
  const by = entries.every(([, value]) => value <= 1) ? "ratio" : "count";
  if (by === "ratio") checkShares(known, wanted);
  else checkCounts(entries);
  return { by, labels: wanted };
}

function knownLabels(dataset: DatasetRecord): LabelProfile {
  const labels = dataset.profile?.labels;
  if (!labels) throw refused("needs a dataset with labels, at most 1000 different ones");
  if (labels.kind === "multilabel") throw refused("is not for multilabel data: a row has several labels there");
  return labels;
}

function checkShares(known: LabelProfile, wanted: Record<string, number>): void {
  const missing = Object.keys(known.counts).find((label) => !Object.hasOwn(wanted, label));
  if (missing !== undefined) {
    throw refused(`has no share for the label '${quoted(missing)}'; 0 leaves its rows out`);
  }
  const sum = Object.values(wanted).reduce((total, share) => total + share, 0);
  if (Math.abs(sum - 1) > SHARES_TOLERANCE) throw refused(`has shares that sum to ${String(sum)}; they must sum to 1`);
}

function checkCounts(entries: [string, number][]): void {
  const broken = entries.find(([, value]) => !Number.isInteger(value));
  if (broken) throw refused(`mixes shares and numbers of rows: '${quoted(broken[0])}' has ${String(broken[1])}`);
}

function listed({ counts }: LabelProfile): string {
  const labels = Object.keys(counts).map((label) => `'${quoted(label)}'`);
  const more = labels.length > 20 ? ` and ${String(labels.length - 20)} more` : "";
  return labels.slice(0, 20).join(", ") + more;
}

function quoted(label: string): string {
  return label.length > 60 ? `${label.slice(0, 60)}…` : label;
}

function refused(message: string): DomainError {
  return invalid("rebalance", `rebalance ${message}`);
}
