/**
 * The leases that this object has granted: the local fence of every heartbeat and report. One row per epoch, since a
 * draining lease may outlive the status that it served; the highest epoch is the present one. `live` may be renewed,
 * `expired` may be revived by its holder until the next grant, `draining` only winds down, `ended` is history.
 */
import type { LeaseState, LocalLease } from "../domain/ports";

type Row = { epoch: number; agent_id: string; attempt: number; expires_at_ms: number; state: string };

export class LeaseRow {
  readonly #sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.#sql = storage.sql;
  }

  /** The lease of the highest epoch, whatever its state. */
  current(): LocalLease | null {
    const row = this.#sql.exec<Row>("SELECT * FROM lease ORDER BY epoch DESC LIMIT 1").toArray()[0];
    return row === undefined ? null : toLease(row);
  }

  /** Writes the lease of an epoch: a new one, or what has become of it. */
  save(lease: LocalLease): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO lease VALUES (?, ?, ?, ?, ?)",
      lease.epoch,
      lease.agentId,
      lease.attempt,
      lease.expiresAtMs,
      lease.state,
    );
  }
}

function toLease(row: Row): LocalLease {
  return {
    epoch: row.epoch,
    agentId: row.agent_id,
    attempt: row.attempt,
    expiresAtMs: row.expires_at_ms,
    state: row.state as LeaseState,
  };
}
