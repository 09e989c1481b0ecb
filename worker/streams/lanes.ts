/**
 * Which reports have been applied, per lease epoch and lane. A lane counts from 1 without gaps; `store` belongs in the
 * transaction that applies the report. Only the last answer of a lane is kept: the agent sends a lane in order, so an
 * older seq can only be an echo, which the last answer serves as well. Whether the epoch may write is the caller's check.
 */
import type { ReportResponse } from "../../protocol";

export type Lane = "data" | "logs";

export type LaneCheck =
  { type: "new" } | { type: "repeat"; answer: ReportResponse } | { type: "gap"; expected: number };

export class Lanes {
  readonly #sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.#sql = storage.sql;
  }

  /** Whether report `seq` is the next one, one that was applied already, or one that came too early. */
  check(epoch: number, lane: Lane, seq: number): LaneCheck {
    const row = this.#sql
      .exec<{
        last_seq: number;
        answer: string;
      }>("SELECT last_seq, answer FROM lane WHERE epoch = ? AND lane = ?", epoch, lane)
      .toArray()[0];
    const expected = (row?.last_seq ?? 0) + 1;
    if (seq > expected) return { type: "gap", expected };
    if (row === undefined || seq === expected) return { type: "new" };
    return { type: "repeat", answer: JSON.parse(row.answer) as ReportResponse };
  }

  /** Counts report `seq` as applied and keeps its answer for a repeat. Throws unless it is the next one. */
  store(epoch: number, lane: Lane, seq: number, answer: ReportResponse): void {
    if (this.check(epoch, lane, seq).type !== "new") {
      throw new Error(`report ${String(seq)} of lane ${lane} is not the next one`);
    }
    this.#sql.exec("INSERT OR REPLACE INTO lane VALUES (?, ?, ?, ?)", epoch, lane, seq, JSON.stringify(answer));
  }
}
