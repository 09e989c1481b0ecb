/**
 * The leases that this object has granted: the local fence of every heartbeat and report. One row per epoch, since a
 * draining lease may outlive the status that it served; the highest epoch is the present one. `live` may be renewed,
 * `expired` may be revived by its holder until the next grant, `draining` only winds down, `ended` is history.
 */
export type LeaseState = "live" | "expired" | "draining" | "ended";

export interface LeaseRecord {
  epoch: number;
  agentId: string;
  attempt: number;
  expiresAtMs: number;
  state: LeaseState;
}

type Row = { epoch: number; agent_id: string; attempt: number; expires_at_ms: number; state: string };

export class LeaseRow {
  readonly #sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.#sql = storage.sql;
  }

  /** The lease of the highest epoch, whatever its state. */
  current(): LeaseRecord | null {
    const row = this.#sql.exec<Row>("SELECT * FROM lease ORDER BY epoch DESC LIMIT 1").toArray()[0];
    return row === undefined ? null : toRecord(row);
  }

  find(epoch: number): LeaseRecord | null {
    const row = this.#sql.exec<Row>("SELECT * FROM lease WHERE epoch = ?", epoch).toArray()[0];
    return row === undefined ? null : toRecord(row);
  }

  /** Leases whose agent may still be at work: live and draining. */
  open(): LeaseRecord[] {
    return this.#sql
      .exec<Row>("SELECT * FROM lease WHERE state IN ('live', 'draining') ORDER BY epoch")
      .toArray()
      .map(toRecord);
  }

  /** Writes a lease: a new one, or the same epoch again after a restart. */
  grant(lease: Omit<LeaseRecord, "state">): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO lease VALUES (?, ?, ?, ?, 'live')",
      lease.epoch,
      lease.agentId,
      lease.attempt,
      lease.expiresAtMs,
    );
  }

  extend(epoch: number, expiresAtMs: number): void {
    this.#sql.exec("UPDATE lease SET expires_at_ms = ? WHERE epoch = ?", expiresAtMs, epoch);
  }

  setState(epoch: number, state: LeaseState): void {
    this.#sql.exec("UPDATE lease SET state = ? WHERE epoch = ?", state, epoch);
  }
}

function toRecord(row: Row): LeaseRecord {
  return {
    epoch: row.epoch,
    agentId: row.agent_id,
    attempt: row.attempt,
    expiresAtMs: row.expires_at_ms,
    state: row.state as LeaseState,
  };
}
