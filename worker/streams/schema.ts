/**
 * The tables of a job's Durable Object, all of them from the first version. An object migrates itself when it is first
 * touched, one version at a time, each in one transaction. Loss accepted: none; an object written by newer code refuses
 * to be opened by older code.
 */

/** Version n of the schema is reached by running MIGRATIONS[n - 1]. Append only. */
const MIGRATIONS: readonly string[] = [
  `
  -- What the stream shows. Items of a frame have the ids id … id + n - 1; body is a JSON array of n payloads.
  CREATE TABLE frames (
    id INTEGER PRIMARY KEY,
    n INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('event', 'metric', 'log', 'notice', 'end')),
    attempt INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    body TEXT NOT NULL
  );
  -- Lists of events and the question whether the stream has ended never read logs.
  CREATE INDEX frames_event ON frames (id) WHERE kind = 'event';
  CREATE INDEX frames_end ON frames (id) WHERE kind = 'end';

  -- Frames that were sealed to R2, from the oldest on.
  CREATE TABLE segments (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, r2_key TEXT NOT NULL, bytes INTEGER NOT NULL);

  -- One wide row per step; n is dense within its kind, so that a range of steps is a range of n.
  CREATE TABLE points (
    kind TEXT NOT NULL CHECK (kind IN ('train', 'eval', 'test', 'system')),
    n INTEGER NOT NULL,
    step INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    "values" TEXT NOT NULL,
    PRIMARY KEY (kind, n)
  ) WITHOUT ROWID;

  -- Rowid order is the order in which keys were first seen.
  CREATE TABLE keys (
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    count INTEGER NOT NULL,
    first_step INTEGER NOT NULL,
    last_step INTEGER NOT NULL,
    last REAL NOT NULL,
    UNIQUE (kind, name)
  );

  -- What an older attempt logged beyond the step from which a later one went on.
  CREATE TABLE superseded (
    attempt INTEGER NOT NULL,
    kind TEXT NOT NULL,
    step INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    "values" TEXT NOT NULL,
    PRIMARY KEY (kind, attempt, step)
  ) WITHOUT ROWID;

  CREATE TABLE lane (
    epoch INTEGER NOT NULL,
    lane TEXT NOT NULL,
    last_seq INTEGER NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (epoch, lane)
  ) WITHOUT ROWID;

  CREATE TABLE lease (
    epoch INTEGER PRIMARY KEY,
    agent_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('live', 'expired', 'draining', 'ended'))
  );

  CREATE TABLE intent (tid TEXT PRIMARY KEY, command TEXT NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID;

  CREATE TABLE timers (name TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID;
  `,
];

/** Brings the object's tables to the present version; call it before anything else touches them. */
export function migrate(storage: DurableObjectStorage): void {
  storage.sql.exec("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID");
  const row = storage.sql.exec<{ value: string }>("SELECT value FROM meta WHERE key = 'schema_version'").toArray()[0];
  const version = row === undefined ? 0 : Number(row.value);
  if (version > MIGRATIONS.length) {
    throw new Error(`the object has schema version ${String(version)}, this code knows ${String(MIGRATIONS.length)}`);
  }
  for (const [index, statements] of MIGRATIONS.entries()) {
    if (index < version) continue;
    storage.transactionSync(() => {
      storage.sql.exec(statements);
      storage.sql.exec("INSERT OR REPLACE INTO meta VALUES ('schema_version', ?)", String(index + 1));
    });
  }
}
