/**
 * Makes training data of a session's runs: read from D1 in pages of bounded size, written to R2 as they come. One build at
 * a time: a build holds the session by the time at which it began, and one that died with its request is taken over.
 */
import { actorOf, type Principal } from "../domain/accounts";
import type { DatasetRecord } from "../domain/artifacts";
import type { DeletionStore } from "../domain/deletion-ports";
import { invalid } from "../domain/errors";
import type { RunStore, TrainingSessionStore } from "../domain/ports";
import type { TrainingSession } from "../domain/training-sessions";
import { chatRow } from "../domain/training-rows";
import { deleteDataset } from "./delete-record";
import type { BuiltSession } from "./training-services";
import { cannotChange } from "./training-sessions";
import { uploadDataset, type DatasetPorts } from "./upload-dataset";

export interface BuildPorts extends DatasetPorts {
  trainingSessions: TrainingSessionStore;
  runs: RunStore;
  deletions: DeletionStore;
}

/** A file that was uploaded under the session's name is another dataset. */
const BUILT = "-built";
const MAX_STEM_CHARS = 190;
const RUNS_AT_ONCE = 1000;
const CHUNK_CHARS = 256 * 1024;
/** D1 answers a bounded number of statements for one request, and each reads some MiB. */
const MAX_BUILT_BYTES = 2 * 1024 ** 3;

interface Counts {
  rows: number;
  skippedRuns: number;
}

export async function buildSession(
  ports: BuildPorts,
  principal: Principal,
  session: TrainingSession,
): Promise<BuiltSession> {
  const by = actorOf(principal);
  const begunAtMs = ports.clock.nowMs();
  if (!(await ports.trainingSessions.beginBuild(session.id, { by, nowMs: begunAtMs }))) {
    throw await cannotChange(ports, session);
  }
  const counts: Counts = { rows: 0, skippedRuns: 0 };
  const dataset = await datasetOf(ports, principal, session, counts).catch(async (error: unknown) => {
    await ports.trainingSessions.dropBuild(session.id, begunAtMs);
    throw error;
  });
  const built = { datasetId: dataset.id, ...counts };
  const change = { by, nowMs: ports.clock.nowMs() };
  if (!(await ports.trainingSessions.endBuild(session.id, begunAtMs, built, change))) {
    await deleteDataset(ports, dataset);
    throw await cannotChange(ports, session);
  }
  return { dataset, ...counts };
}

function datasetOf(
  ports: BuildPorts,
  principal: Principal,
  session: TrainingSession,
  counts: Counts,
): Promise<DatasetRecord> {
  return uploadDataset(ports, principal, {
    name: session.name.slice(0, MAX_STEM_CHARS) + BUILT,
    fileName: "runs.jsonl",
    chunks: rowsOf(ports.runs, session.id, counts),
    maxBytes: MAX_BUILT_BYTES,
  });
}

async function* rowsOf(runs: RunStore, sessionId: string, counts: Counts): AsyncIterable<Uint8Array> {
  const encoder = new TextEncoder();
  let text = "";
  for (let last = 0; ;) {
    const page = await runs.forTraining(sessionId, last, RUNS_AT_ONCE);
    const end = page.at(-1);
    if (!end) break;
    last = end.n;
    for (const run of page) {
      const row = chatRow(run);
      if (!row) {
        counts.skippedRuns += 1;
        continue;
      }
      counts.rows += 1;
      text += `${JSON.stringify(row)}\n`;
      if (text.length < CHUNK_CHARS) continue;
      yield encoder.encode(text);
      text = "";
    }
  }
  if (counts.rows === 0) throw noRows(counts);
  yield encoder.encode(text);
}

function noRows({ skippedRuns }: Counts) {
  const why =
    skippedRuns === 0 ? "it has picked none" : `none of its ${String(skippedRuns)} has completed with a result`;
  return invalid("runs", `the session has no run to learn from: ${why}`);
}
