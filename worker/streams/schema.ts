/**
 * The tables of a job's Durable Object. An object migrates itself when it is first touched, one version at a time, each in
 * one transaction; one whose rows are in R2 (archive.ts) comes back in the version in which it left, and migrates then.
 * Loss accepted: none; an object written by newer code refuses to be opened by older code.
 */

import { ARCHIVE_KEY, Meta, VERSION_KEY } from "./meta";

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
  `
  -- Bytes of all bodies up to and with this frame: how much lies between two frames is a difference.
  ALTER TABLE frames ADD COLUMN upto INTEGER NOT NULL DEFAULT 0;
  UPDATE frames SET upto = sums.upto FROM
    (SELECT id, sum(length(CAST(body AS BLOB))) OVER (ORDER BY id) AS upto FROM frames) sums WHERE sums.id = frames.id;

  -- Where in its file each block of a segment lies: a JSON array of [first id, offset, bytes].
  ALTER TABLE segments ADD COLUMN blocks TEXT NOT NULL DEFAULT '[]';

  -- The sets of keys that rows have: a JSON array in order. By (kind, shape, n) a rare key is found without a scan.
  CREATE TABLE shapes (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, keys TEXT NOT NULL, UNIQUE (kind, keys));
  ALTER TABLE points ADD COLUMN shape INTEGER NOT NULL DEFAULT 0;
  INSERT OR IGNORE INTO shapes (kind, keys) SELECT kind,
    (SELECT json_group_array(key) FROM (SELECT key FROM json_each(points."values") ORDER BY key)) FROM points;
  UPDATE points SET shape = (SELECT id FROM shapes WHERE shapes.kind = points.kind AND shapes.keys =
    (SELECT json_group_array(key) FROM (SELECT key FROM json_each(points."values") ORDER BY key)));
  CREATE INDEX points_shape ON points (kind, shape, n);
  `,
];

/** Brings the object's tables to the present version; call it before anything else touches them. */
export function migrate(storage: DurableObjectStorage): void {
  storage.sql.exec("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID");
  const meta = new Meta(storage);
  if (meta.get(ARCHIVE_KEY) !== null) return;
  const version = Number(meta.get(VERSION_KEY) ?? "0");
  if (version > MIGRATIONS.length) {
    throw new Error(`the object has schema version ${String(version)}, this code knows ${String(MIGRATIONS.length)}`);
  }
  for (const [index, statements] of MIGRATIONS.entries()) {
    if (index < version) continue;
    storage.transactionSync(() => {
      storage.sql.exec(statements);
      meta.set(VERSION_KEY, String(index + 1));
    });
  }
}
