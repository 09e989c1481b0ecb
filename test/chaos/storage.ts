/**
 * What the stopped control plane left on disk, read as files: D1's rows, R2's keys and the jobs' objects. Here
 * nothing can hide behind an API that heals when it is asked.
 */
import { globSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { z } from "zod";

const jobRow = z.object({ id: z.string(), status: z.string(), version: z.number() });
const taskRow = z.object({ id: z.string(), state: z.string(), epoch: z.number(), attempt: z.number() });
const eventRow = z.object({ job_id: z.string(), version: z.number(), type: z.string() });
const checkpointRow = z.object({ job_id: z.string(), kind: z.string(), state: z.string(), manifest_key: z.string() });
const leaseRow = z.object({ epoch: z.number(), state: z.string() });
const countRow = z.object({ count: z.number() });
const keyRow = z.object({ key: z.string() });

/** Of one job's Durable Object. */
export interface JobObjectRows {
  jobId: string;
  leases: z.infer<typeof leaseRow>[];
  intents: number;
}

export interface Stored {
  jobs: z.infer<typeof jobRow>[];
  tasks: z.infer<typeof taskRow>[];
  events: z.infer<typeof eventRow>[];
  checkpoints: z.infer<typeof checkpointRow>[];
  /** R2's keys. */
  keys: string[];
  objects: JobObjectRows[];
}

/** `dataDir` is what wrangler was given as `--persist-to`. */
export function readStored(dataDir: string): Stored {
  const d1 = openOne(path.join(dataDir, "v3", "d1"), "jobs");
  const r2 = openOne(path.join(dataDir, "v3", "r2"), "_mf_objects");
  try {
    return {
      jobs: rows(d1, "SELECT id, status, version FROM jobs ORDER BY id", jobRow),
      tasks: rows(d1, "SELECT id, state, epoch, attempt FROM tasks ORDER BY id", taskRow),
      events: rows(d1, "SELECT job_id, version, type FROM job_events ORDER BY job_id, version, seq", eventRow),
      checkpoints: rows(d1, "SELECT job_id, kind, state, manifest_key FROM checkpoints ORDER BY id", checkpointRow),
      keys: rows(r2, "SELECT key FROM _mf_objects ORDER BY key", keyRow).map(({ key }) => key),
      objects: readJobObjects(path.join(dataDir, "v3", "do")),
    };
  } finally {
    d1.close();
    r2.close();
  }
}

function readJobObjects(dir: string): JobObjectRows[] {
  return openAll(dir, "intent").map((object) => {
    const [job] = rows(object, "SELECT value AS key FROM meta WHERE key = 'job_id'", keyRow);
    const [intents] = rows(object, "SELECT count(*) AS count FROM intent", countRow);
    const found = {
      jobId: job?.key ?? "",
      leases: rows(object, "SELECT epoch, state FROM lease ORDER BY epoch", leaseRow),
      intents: intents?.count ?? 0,
    };
    object.close();
    return found;
  });
}

/** The one database below `dir` that has this table. */
export function openOne(dir: string, table: string): DatabaseSync {
  const [found, ...others] = openAll(dir, table);
  if (found === undefined || others.length > 0) throw new Error(`not one database with a table ${table} below ${dir}`);
  return found;
}

/** The databases below `dir` that have this table. */
function openAll(dir: string, table: string): DatabaseSync[] {
  return globSync("**/*.sqlite", { cwd: dir }).flatMap((file) => {
    const database = new DatabaseSync(path.join(dir, file));
    const found = database.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").get(table);
    if (found !== undefined) return [database];
    database.close();
    return [];
  });
}

export function rows<T>(database: DatabaseSync, query: string, shape: z.ZodType<T>): T[] {
  return database
    .prepare(query)
    .all()
    .map((row) => shape.parse(row));
}

/** docs/storage.md of everything that was asked for in `jobIds` (with their prefix), and of nothing else. */
export function checkStored(stored: Stored, jobIds: string[]): string[] {
  const asked = jobIds.map((id) => id.slice("job_".length)).sort();
  const known = stored.jobs.map(({ id }) => id);
  const open = stored.tasks.filter(({ state, epoch, attempt }) => state !== "ended" || epoch !== attempt);
  return [
    ...(known.join(" ") === asked.join(" ") ? [] : [`D1 has ${String(known.length)} jobs of ${String(asked.length)}`]),
    ...stored.jobs.flatMap((job) =>
      checkVersions(
        job,
        stored.events.filter(({ job_id: id }) => id === job.id),
      ),
    ),
    ...open.map(({ id, state }) => `the task of ${id} is ${state}`),
    ...checkResumes(stored),
    ...stored.objects.flatMap(checkObject),
    ...stored.keys.filter((key) => !isKnownKey(key, asked)).map((key) => `R2 has ${key}, which no table knows`),
  ];
}

function checkVersions(job: Stored["jobs"][number], events: Stored["events"]): string[] {
  const versions = [...new Set(events.map(({ version }) => version))];
  const isDense = versions.length === job.version + 1 && versions.every((version, index) => version === index);
  const completed = events.filter(({ type }) => type === "completed").length;
  return [
    ...(job.status === "completed" ? [] : [`D1 has job ${job.id} as ${job.status}`]),
    ...(isDense ? [] : [`job ${job.id} is at version ${String(job.version)} with events of ${versions.join(" ")}`]),
    ...(completed === 1 ? [] : [`D1 has ${String(completed)} events completed of job ${job.id}`]),
  ];
}

/** After the final commit no resume checkpoint is left, in D1 or in R2; every other one has its manifest. */
function checkResumes({ checkpoints, keys }: Stored): string[] {
  return checkpoints.flatMap(({ kind, state, manifest_key: key, job_id: id }) => {
    if (kind === "resume") {
      return state === "deleted" && !keys.includes(key) ? [] : [`a resume checkpoint of ${id} is left, ${state}`];
    }
    return state === "committed" && keys.includes(key) ? [] : [`a ${kind} checkpoint of ${id} is ${state}`];
  });
}

/** Nothing is under way in a job's object. A timer may be left: the last lease's rings once more and clears itself. */
function checkObject({ jobId, leases, intents }: JobObjectRows): string[] {
  const last = leases.at(-1)?.state;
  const isQuiet = last === "ended" && intents === 0;
  return isQuiet ? [] : [`the object of ${jobId} is left with lease ${String(last)}, ${String(intents)} intents`];
}

function isKnownKey(key: string, jobIds: string[]): boolean {
  const [top, owner = "", ...rest] = key.split("/");
  if (top === "datasets" || top === "functions") return rest.length === 1;
  return (top === "ckpt" || top === "streams") && jobIds.includes(owner);
}
