/** Rows of `runs` ⇄ the domain's run. */
import { getTableColumns } from "drizzle-orm";
import type { RunRecord } from "../domain/runs";
import { runs } from "./schema";

const { body: _body, bodyBytes: _bodyBytes, ...summaryColumns } = getTableColumns(runs);

/** What lists read. */
export const runSummaryColumns = summaryColumns;

export function toRun({ bodyBytes: _bytes, ...run }: typeof runs.$inferSelect): RunRecord {
  return run;
}
