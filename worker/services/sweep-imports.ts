/**
 * Each minute, a bounded look at imports of runs whose worker died in the middle: what it had kept, which nobody has seen,
 * goes again. A large one takes several rounds.
 */
import type { Clock, RunImportStore } from "../domain/ports";
import { attempted } from "./attempted";

/** A sender may be slow, but not silent for so long. */
export const IMPORT_SILENT_MS = 30 * 60_000;
/** A minute. */
const MAX_SWEPT = 5;
/** Of each. */
const MAX_RUNS = 10_000;

export interface SweepImportsPorts {
  runImports: RunImportStore;
  clock: Clock;
}

export async function sweepImports({ runImports, clock }: SweepImportsPorts): Promise<void> {
  const silentSinceMs = clock.nowMs() - IMPORT_SILENT_MS;
  for (const left of await runImports.silentSince(silentSinceMs, MAX_SWEPT)) {
    await attempted(`import ${left.firstRunId}`, runImports.sweep(left, silentSinceMs, MAX_RUNS));
  }
}
