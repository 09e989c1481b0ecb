import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { ApiClient } from "../../agent/src/api-client";
import { statePaths } from "../../agent/src/paths";
import { LogPump } from "../../agent/src/log-pump";
import { LogQuota } from "../../agent/src/log-quota";
import { openLanes, ReportLane, type Lanes } from "../../agent/src/report-lanes";
import { Spool } from "../../agent/src/spool";
import { TaskControl } from "../../agent/src/task-control";
import type { DataItem, LogLine } from "../../protocol";
import {
  addTask,
  ending,
  fasterClock,
  leapingRetrier,
  LeapingClock,
  start,
  started,
  until,
  useBench,
  type Bench,
  type Operation,
} from "./support";

const bench = useBench();

const fastClock = fasterClock(100);

const progress = (step: number): DataItem => ({ type: "progress", ts_ms: 1, step, total_steps: 9, epoch: 0 });

interface LaneBench {
  readonly lanes: Lanes;
  readonly control: TaskControl;
  readonly clock: LeapingClock;
  readonly spool: string;
  readonly steps: () => number[];
}

/** Lanes against the server, with a lease that it has granted, and a clock that leaps. */
async function openTestLanes({ api, dir, log }: Bench): Promise<LaneBench> {
  const clock = new LeapingClock();
  const client = new ApiClient(api.url, () => ({
    agentToken: () => api.agentToken,
    refresh: () => Promise.resolve(false),
  }));
  addTask(api);
  const claim = {
    claim_id: "0123456789abcdef",
    free_slots: [{ id: "cpu", kind: "cpu" as const, gpus: [] }],
    wait_ms: 0,
  };
  const lease = await client.claim(claim, new AbortController().signal);
  const control = new TaskControl(clock, 1000, () => undefined);
  const paths = statePaths(dir).task("task.1");
  mkdirSync(paths.root, { recursive: true });
  const lanes = await openLanes(paths, {
    api: client,
    retrier: leapingRetrier(clock),
    clock,
    log,
    control,
    leaseId: lease?.lease_id ?? "",
  });
  const steps = (): number[] => api.only.data.flatMap((item) => (item.type === "progress" ? [item.step] : []));
  return { lanes, control, clock, spool: paths.spool, steps };
}

const count = (length: number): number[] => Array.from({ length }, (_, index) => index + 1);

describe("a report lane", () => {
  it("sends the first item at once and gathers what comes while it is busy", async () => {
    const { lanes, steps } = await openTestLanes(bench());
    await lanes.data.push(progress(1));
    for (const step of count(50).slice(1)) await lanes.data.push(progress(step));
    await lanes.data.flushed();
    expect(steps()).toEqual(count(50));
    expect(bench().api.only.reports.length).toBeLessThanOrEqual(3);
    await lanes.data.stop();
  });

  it("keeps reports under 2,000 items and 1 MiB, and refuses what fits no report", async () => {
    const { lanes, steps } = await openTestLanes(bench());
    for (const step of count(5000)) await lanes.data.push(progress(step));
    const message = "m".repeat(8000);
    for (let sent = 0; sent < 300; sent += 1) await lanes.data.push({ type: "notice", ts_ms: 1, message });
    const metadata = { text: "x".repeat(1024 * 1024) };
    expect(await lanes.data.push({ type: "event", ts_ms: 1, event_type: "sample_masked", metadata })).toBe(false);
    await lanes.data.flushed();
    expect(steps()).toEqual(count(5000));
    expect(bench().api.only.data).toHaveLength(5300);
    expect(Math.max(...bench().api.only.reports)).toBeLessThanOrEqual(2000);
    await lanes.data.stop();
  });

  it("keeps everything through an outage, on disk, and replays it in order", async () => {
    const { api } = bench();
    const { lanes, spool, steps } = await openTestLanes(bench());
    await lanes.data.push(progress(1));
    await lanes.data.flushed();
    api.isDown = true;
    for (const step of count(100_000).slice(1)) await lanes.data.push(progress(step));
    for (let line = 0; line < 3000; line += 1)
      await lanes.logs.push({ ts_ms: 1, stream: "stdout", line: `line ${line}` });
    await until(() => readdirSync(spool).length > 14);
    expect(steps()).toEqual([1]);
    api.isDown = false;
    await Promise.all([lanes.data.flushed(), lanes.logs.flushed()]);
    expect(steps()).toEqual(count(100_000));
    expect(api.only.logs.map(({ line }) => line)).toEqual(count(3000).map((n) => `line ${n - 1}`));
    await Promise.all([lanes.data.stop(), lanes.logs.stop()]);
  });

  it("sends a report again whose answer was lost, and the worker has it once", async () => {
    const { api } = bench();
    const { lanes, steps } = await openTestLanes(bench());
    api.faults.push({ path: /reports$/, times: 3, answer: "cut_after" });
    for (const step of count(20)) await lanes.data.push(progress(step));
    await lanes.data.flushed();
    expect(steps()).toEqual(count(20));
    await lanes.data.stop();
  });

  it("goes back to where a worker that forgot a report stands", async () => {
    const { api } = bench();
    const { lanes, steps } = await openTestLanes(bench());
    for (const step of count(4)) {
      await lanes.data.push(progress(step));
      await lanes.data.flushed();
    }
    expect(api.only.seqs.data).toBe(4);
    api.only.seqs.data = 2;
    api.only.data.splice(2);
    await lanes.data.push(progress(5));
    await lanes.data.flushed();
    expect(steps()).toEqual([1, 2, 3, 4, 5]);
    await lanes.data.stop();
  });

  it("numbers on from where the worker stands when that is too long ago to be sent again", async () => {
    const { api, log } = bench();
    const { lanes, spool, steps } = await openTestLanes(bench());
    for (const step of count(40)) {
      await lanes.data.push(progress(step));
      await lanes.data.flushed();
    }
    expect(readdirSync(spool).length).toBe(16);
    api.only.seqs.data = 0;
    api.only.data.splice(0);
    await lanes.data.push(progress(41));
    await lanes.data.flushed();
    expect(steps()).toEqual(count(41).slice(24));
    expect(log.lines).toContainEqual(expect.stringContaining("expects data report 1"));
    await lanes.data.stop();
  });

  it("leaves out a report that the worker refuses, and goes on", async () => {
    const { api } = bench();
    const { lanes, steps } = await openTestLanes(bench());
    await lanes.data.push(progress(1));
    await lanes.data.flushed();
    api.faults.push({ path: /reports$/, times: 1, answer: { status: 422 } });
    for (const step of [2, 3, 4]) {
      await lanes.data.push(progress(step));
      await lanes.data.flushed();
    }
    expect(steps()).toEqual([1, 3, 4]);
    await lanes.data.stop();
  });

  it("takes a stale lease for lost, and ends", async () => {
    const { api } = bench();
    const { lanes, control, steps } = await openTestLanes(bench());
    api.only.isStale = true;
    await lanes.data.push(progress(1));
    await lanes.data.flushed();
    expect(control.wish).toBe("lost");
    expect(steps()).toEqual([]);
    await lanes.data.stop();
  });

  it("hears a directive in any answer", async () => {
    const { api } = bench();
    const { lanes, control } = await openTestLanes(bench());
    api.only.directive = "cancel";
    await lanes.logs.push({ ts_ms: 1, stream: "stderr", line: "x" });
    await lanes.logs.flushed();
    expect(control.wish).toBe("cancel");
    await lanes.logs.stop();
  });
});

describe("a worker that is away for a while", () => {
  it("costs the job nothing", async () => {
    const { api, dir } = bench();
    addTask(api);
    const back = join(dir, "back");
    const script = [
      { op: "started", total: 400 },
      { op: "train", to: 100 },
      { op: "wait_file", path: back },
      { op: "train", to: 400 },
      { op: "checkpoint", kind: "final" },
      { op: "finished" },
    ];
    const agent = start(bench(), script);
    await until(() => [...api.leases.values()][0]?.lastStep === 100);
    api.isDown = true;
    api.dropSockets();
    mkdirSync(back);
    const spool = join(dir, "state/tasks", api.only.lease.lease_id, "spool");
    await until(() => readdirSync(spool).some((name) => name.startsWith("data")));
    api.isDown = false;
    expect(await agent.done).toBe(0);
    const steps = api.only.data.flatMap((item) => (item.type === "metrics" ? [item.step] : []));
    expect(steps).toEqual(count(400));
    expect(api.only.logs.map(({ line }) => line)).toEqual(count(400).map((step) => `step ${step}`));
    expect(api.only.finish).toEqual({ outcome: "completed", step: 400 });
  });

  it("for ten minutes costs it nothing either; beats do not wait behind what is sent again", async () => {
    const { api, dir } = bench();
    const lease = addTask(api, { heartbeat_ms: 10_000, lease_ms: 60_000 });
    const [away, back] = [join(dir, "away"), join(dir, "back")];
    const train = (to: number): Operation => ({ op: "train", to });
    const resume: Operation = { op: "checkpoint", kind: "resume" };
    const outage = [train(4_000), resume, train(5_000), resume, train(6_000), resume];
    const wait = (path: string): Operation => ({ op: "wait_file", path });
    const script = [started, train(100), resume, wait(away), ...outage, wait(back), train(6_100), ...ending];
    const agent = start(bench(), script, { clock: fastClock });
    await until(() => [...api.leases.values()][0]?.committed.length === 1, "the first checkpoint");
    api.isDown = true;
    api.dropSockets();
    mkdirSync(away);
    await fastClock.sleep(600_000);
    const spool = join(dir, "state/tasks", lease.lease_id, "spool");
    expect(readdirSync(spool).filter((name) => name.startsWith("data")).length).toBeGreaterThan(1);

    const { only } = api;
    const before = { reports: only.reports.length, heartbeats: only.heartbeats };
    api.reportDelayMs = 200;
    api.isDown = false;
    const has = (step: number): boolean => only.data.some((item) => item.type === "metrics" && item.step === step);
    await until(() => has(6_000), "all that was kept");
    expect(only.heartbeats - before.heartbeats).toBeGreaterThan(2);
    // What came in the meantime goes in as few reports as it fits.
    expect(only.reports.length - before.reports).toBeLessThan(20);
    api.reportDelayMs = 0;
    await until(() => only.committed.length === 3, "the checkpoints of the outage");
    mkdirSync(back);
    expect(await agent.done).toBe(0);
    const steps = only.data.flatMap((item) => (item.type === "metrics" ? [item.step] : []));
    expect(steps).toEqual(count(6_100));
    expect(only.logs.map(({ line }) => line)).toEqual(count(6_100).map((step) => `step ${step}`));
    // One was under way, and of those that waited the newest counts.
    expect(only.committed.map(({ kind, step }) => `${kind} ${step}`)).toEqual([
      "resume 100",
      "resume 4000",
      "resume 6000",
      "final 6100",
    ]);
  });
});

describe("a lane whose disk is full", () => {
  it("has those who report data wait for the worker, and says so to those who log", async () => {
    const { api, dir, log } = bench();
    const { lanes, control, clock } = await openTestLanes(bench());
    await lanes.data.stop();
    const client = new ApiClient(api.url, () => ({
      agentToken: () => api.agentToken,
      refresh: () => Promise.resolve(false),
    }));
    const retrier = leapingRetrier(clock);
    const deps = { api: client, retrier, clock, log, control, leaseId: api.only.lease.lease_id };
    const lane = new ReportLane<DataItem>("data", new Spool(dir, "full"), deps, 5_000_000);
    api.isDown = true;
    let pushed = 0;
    const pushing = (async () => {
      for (; pushed < 100_000; pushed += 1) await lane.push(progress(pushed));
    })();
    await until(() => !lane.hasRoom, "a full disk");
    const held = pushed;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([pushed, held < 100_000]).toEqual([held, true]);
    api.isDown = false;
    await pushing;
    await lane.flushed();
    expect(api.only.data).toHaveLength(100_000);
    await lane.stop();
  });

  it("leaves log lines out, counts them, and holds nobody up", async () => {
    const clock = new LeapingClock();
    const taken: LogLine[] = [];
    const notices: DataItem[] = [];
    let hasRoom = true;
    const sink = {
      hasRoom: () => hasRoom,
      log: async (line: LogLine) => taken.push(line),
      notice: async (item: DataItem) => notices.push(item),
    };
    const limits = { log_bytes: 1e9, log_bytes_per_second: 1e6 };
    const pump = new LogPump(new LogQuota(limits, clock), sink, clock);
    await pump.run(Readable.from([Buffer.from("one\ntwo\n")]), "stdout");
    hasRoom = false;
    await pump.run(Readable.from([Buffer.from("three\nfour\n")]), "stdout");
    await pump.finish();
    expect(taken.map(({ line }) => line)).toEqual(["one", "two"]);
    expect(notices).toMatchObject([{ message: expect.stringMatching(/^2 log lines \(11 bytes\) were left out/) }]);
    expect(pump.lastLines()).toEqual(["one", "two", "three", "four"]);
  });
});
