/**
 * The requests of an engine, in its object's SQLite: the last 10,000 as they were, and sums of each deployment's for ever.
 * Loss accepted: a request whose object dies before its end is in neither.
 */
import type { InferenceLogEntry, InferenceMetrics } from "../domain/inference";
import type { Page, PageRequest } from "../domain/ports";

export const MAX_LOGGED_REQUESTS = 10_000;

interface RequestRow extends Record<string, SqlStorageValue> {
  id: string;
  deployment_id: string;
  endpoint: string;
  stream: number;
  status: number;
  error: string | null;
  prompt_tokens: number | null;
  completion_tokens: number | null;
  first_byte_ms: number | null;
  duration_ms: number;
  at_ms: number;
}

interface TotalsRow extends Record<string, SqlStorageValue> {
  requests: number;
  failed: number;
  prompt_tokens: number;
  completion_tokens: number;
}

export class RequestLog {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;
  readonly #maxRows: number;

  constructor(storage: DurableObjectStorage, maxRows = MAX_LOGGED_REQUESTS) {
    this.#storage = storage;
    this.#sql = storage.sql;
    this.#maxRows = maxRows;
    this.#sql.exec(`
      -- In the order in which they ended.
      CREATE TABLE IF NOT EXISTS requests (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        deployment_id TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        stream INTEGER NOT NULL,
        status INTEGER NOT NULL,
        error TEXT,
        prompt_tokens INTEGER,
        completion_tokens INTEGER,
        first_byte_ms INTEGER,
        duration_ms INTEGER NOT NULL,
        at_ms INTEGER NOT NULL
      );
      CREATE INDEX IF NOT EXISTS requests_of ON requests (deployment_id, seq);
      CREATE TABLE IF NOT EXISTS request_totals (
        deployment_id TEXT PRIMARY KEY,
        requests INTEGER NOT NULL,
        failed INTEGER NOT NULL,
        prompt_tokens INTEGER NOT NULL,
        completion_tokens INTEGER NOT NULL
      ) WITHOUT ROWID;
    `);
  }

  add(entry: InferenceLogEntry): void {
    const { usage } = entry;
    const prompt = usage?.prompt_tokens ?? null;
    const completion = usage?.completion_tokens ?? null;
    this.#storage.transactionSync(() => {
      this.#sql.exec(
        `INSERT INTO requests (id, deployment_id, endpoint, stream, status, error, prompt_tokens, completion_tokens,
           first_byte_ms, duration_ms, at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        ...[entry.id, entry.deploymentId, entry.endpoint, entry.stream ? 1 : 0, entry.status, entry.error],
        ...[prompt, completion, entry.firstByteMs, entry.durationMs, entry.atMs],
      );
      this.#sql.exec("DELETE FROM requests WHERE seq <= (SELECT max(seq) FROM requests) - ?", this.#maxRows);
      this.#sql.exec(
        `INSERT INTO request_totals VALUES (?, 1, ?, ?, ?) ON CONFLICT DO UPDATE SET
           requests = requests + 1, failed = failed + excluded.failed,
           prompt_tokens = prompt_tokens + excluded.prompt_tokens,
           completion_tokens = completion_tokens + excluded.completion_tokens`,
        ...[entry.deploymentId, entry.error === null ? 0 : 1, prompt ?? 0, completion ?? 0],
      );
    });
  }

  /** Newest first. */
  page(deploymentId: string, { limit, after }: PageRequest): Page<InferenceLogEntry> {
    const rows = this.#sql
      .exec<RequestRow>(
        `SELECT * FROM requests WHERE deployment_id = ?1 AND
           (?2 IS NULL OR seq < (SELECT seq FROM requests WHERE id = ?2)) ORDER BY seq DESC LIMIT ?3`,
        ...[deploymentId, after ?? null, limit + 1],
      )
      .toArray();
    return { items: rows.slice(0, limit).map(toEntry), hasMore: rows.length > limit };
  }

  metrics(deploymentId: string): Omit<InferenceMetrics, "openStreams"> {
    const totals = this.#sql
      .exec<TotalsRow>("SELECT * FROM request_totals WHERE deployment_id = ?", deploymentId)
      .toArray()[0];
    return {
      requests: totals?.requests ?? 0,
      failed: totals?.failed ?? 0,
      promptTokens: totals?.prompt_tokens ?? 0,
      completionTokens: totals?.completion_tokens ?? 0,
      p50FirstByteMs: this.#percentile(deploymentId, "first_byte_ms", 0.5),
      p95FirstByteMs: this.#percentile(deploymentId, "first_byte_ms", 0.95),
      p50DurationMs: this.#percentile(deploymentId, "duration_ms", 0.5),
      p95DurationMs: this.#percentile(deploymentId, "duration_ms", 0.95),
    };
  }

  /** The smallest value that so large a share does not exceed. */
  #percentile(deploymentId: string, column: "first_byte_ms" | "duration_ms", share: number): number | null {
    const among = `FROM requests WHERE deployment_id = ? AND ${column} IS NOT NULL`;
    const { n } = this.#sql.exec<{ n: number }>(`SELECT count(*) AS n ${among}`, deploymentId).one();
    if (n === 0) return null;
    const before = Math.ceil(n * share) - 1;
    const query = `SELECT ${column} AS value ${among} ORDER BY ${column} LIMIT 1 OFFSET ?`;
    return this.#sql.exec<{ value: number }>(query, deploymentId, before).one().value;
  }
}

function toEntry(row: RequestRow): InferenceLogEntry {
  const { prompt_tokens, completion_tokens } = row;
  return {
    id: row.id,
    deploymentId: row.deployment_id,
    endpoint: row.endpoint as InferenceLogEntry["endpoint"],
    stream: row.stream === 1,
    status: row.status,
    error: row.error,
    usage: prompt_tokens === null || completion_tokens === null ? null : { prompt_tokens, completion_tokens },
    firstByteMs: row.first_byte_ms,
    durationMs: row.duration_ms,
    atMs: row.at_ms,
  };
}
