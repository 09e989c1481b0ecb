/**
 * Two doors of one job alive at once, as when the platform moves an object whose old instance has not noticed: each has
 * its own storage, both have the one D1. Whatever they are told, and wherever they fail, D1 has one history, and both
 * streams have it in order.
 */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { expect, it } from "vitest";
import { jobObjectParts, type JobObjectParts } from "../../worker/container";
import { DomainError } from "../../worker/domain/errors";
import type { FaultPoint } from "../../worker/domain/faults";
import { isTerminal, type JobCommand } from "../../worker/domain/job-state";
import { EventLog } from "../../worker/streams/event-log";
import { newAccount, newDataset, newJob, using } from "./fixtures";

const RUNS = 15;

const gpu = { type: "L4-24GB", count: 1 };
const epoch = fc.integer({ min: 1, max: 3 });
const agentId = fc.constantFrom("a", "b");
const command: fc.Arbitrary<JobCommand> = fc.oneof(
  { weight: 3, arbitrary: agentId.map((id) => claimBy(id)) },
  { weight: 3, arbitrary: epoch.map((of) => ({ type: "start" as const, epoch: of, resumedFromStep: 0 })) },
  { weight: 2, arbitrary: epoch.map((of) => ({ type: "test" as const, epoch: of })) },
  { weight: 3, arbitrary: epoch.map((of) => lostOf(of)) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant("revive" as const), epoch, agentId, wasRunning: fc.boolean() }),
  },
  { weight: 1, arbitrary: epoch.map((of) => ({ ...lostOf(of), type: "fail" as const, reason: "user_code" as const })) },
  { weight: 1, arbitrary: epoch.map((of) => ({ type: "complete" as const, epoch: of, step: 1 })) },
  { weight: 1, arbitrary: fc.constant({ type: "cancel" as const }) },
);

function claimBy(id: string): JobCommand {
  return { type: "claim", agentId: id, provider: "local", gpu, substitutedBy: null };
}

function lostOf(of: number) {
  return { type: "lose" as const, epoch: of, reason: "preempted" as const, message: "m", logTail: [] };
}

/** What one door is told, under which of a few keys (a repeat is a retry), and where it fails. */
const call = fc.record({
  command,
  key: fc.constantFrom("k1", "k2", "k3"),
  failsAt: fc.option(fc.constantFrom<FaultPoint>("intent_stored", "committed", "appended"), { freq: 4 }),
});
/** Both doors are told something at the same time, then again. */
const rounds = fc.array(fc.tuple(fc.array(call, { maxLength: 2 }), fc.array(call, { maxLength: 2 })), {
  minLength: 2,
  maxLength: 6,
});

const INJECTED = "failed by the test";

/** One of the two: the plain class over an object's own storage. */
function doorOver(objectName: string, jobId: string) {
  const object = env.JOB.getByName(objectName);
  let failsAt: FaultPoint | null = null;
  let parts: JobObjectParts | null = null;
  const at = (point: FaultPoint) => {
    if (point === failsAt) throw new Error(INJECTED);
  };
  const inside = <T>(work: (made: JobObjectParts) => Promise<T>) =>
    runInDurableObject(object, (_, state) => work((parts ??= jobObjectParts(state, env, jobId, { at }))));
  return {
    tell: async (calls: (typeof call extends fc.Arbitrary<infer T> ? T : never)[]) => {
      for (const told of calls) {
        failsAt = told.failsAt;
        await inside((made) => made.door.transition(told.command, told.key)).catch(expected);
        failsAt = null;
      }
    },
    settle: () => inside((made) => made.door.settled()),
    stream: () =>
      runInDurableObject(object, (_, { storage }) =>
        new EventLog(storage).listEvents({ limit: 1000 }).items.map(({ type, atMs, metadata }) => ({
          ...{ type, atMs, metadata },
        })),
      ),
  };
}

function expected(error: unknown): void {
  if (error instanceof DomainError || (error instanceof Error && error.message === INJECTED)) return;
  throw error;
}

type EventRow = { version: number; seq: number; tid: string; type: string; at_ms: number; metadata: string };

it("two doors over one D1 write one history", async () => {
  const principal = await newAccount();
  const datasetId = await newDataset(principal);
  await fc.assert(
    fc.asyncProperty(rounds, async (told) => {
      const { id } = await newJob(principal, { datasetId });
      const doors = [doorOver(id, id), doorOver(`${id} moved`, id)] as const;
      for (const both of told) await Promise.all([doors[0].tell(both[0]), doors[1].tell(both[1])]);
      await Promise.all(doors.map((door) => door.settle()));

      const job = await using((s) => s.getJob(principal, id));
      const query = env.DB.prepare("SELECT * FROM job_events WHERE job_id = ? ORDER BY version, seq").bind(id);
      const { results: rows } = await query.all<EventRow>();
      // One writer a version, and no version left out.
      const versions = Array.from({ length: job.version + 1 }, (_, version) => version);
      expect([...new Set(rows.map((row) => row.version))]).toEqual(versions);
      for (const version of versions) {
        const ofIt = rows.filter((row) => row.version === version);
        expect(new Set(ofIt.map((row) => row.tid)).size).toBe(1);
        expect(ofIt.map((row) => row.seq)).toEqual(ofIt.map((_, seq) => seq));
      }
      expect(new Set(rows.map((row) => `${row.tid} ${String(row.seq)}`)).size).toBe(rows.length);
      // The status is what the history says, and nothing comes after an end.
      const ends = rows.filter((row) => ["completed", "failed", "timed_out", "cancelled"].includes(row.type));
      expect(ends.map((row) => row.type)).toEqual(isTerminal(job.status) ? [job.status] : []);
      if (ends.length > 0) expect(rows.at(-1)?.type).toBe(job.status);
      const claims = rows.filter(({ type, metadata }) => type === "provisioning" && !metadata.includes("revived"));
      expect(claims).toHaveLength(job.task.epoch);
      // Both streams have each event once, in order.
      const history = rows.map((row) => ({
        ...{ type: row.type, atMs: row.at_ms, metadata: JSON.parse(row.metadata) as unknown },
      }));
      for (const door of doors) expect(await door.stream()).toEqual(history);
    }),
    { numRuns: RUNS },
  );
}, 60_000);
