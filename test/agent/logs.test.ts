import { describe, expect, it } from "vitest";
import { LogQuota } from "../../agent/src/log-quota";
import { LineSplitter } from "../../agent/src/split-lines";
import { addTask, ending, LeapingClock, start, started, useBench } from "./support";

const bench = useBench();

describe("the user's logs", () => {
  it("survive a million lines: the run ends, memory stays, what was left out is counted", async () => {
    const { api } = bench();
    addTask(api);
    const before = process.memoryUsage().rss;
    expect(await start(bench(), [started, { op: "flood", lines: 1_000_000 }, ...ending]).done).toBe(0);
    const grownMiB = (process.memoryUsage().rss - before) / 1024 / 1024;
    const dropped = api.only.data
      .flatMap((item) => (item.type === "notice" ? [item.message] : []))
      .map((message) => Number(/^(\d+) log lines/.exec(message)?.[1]));
    const passed = api.only.logs.length;
    expect(passed).toBeGreaterThan(10_000);
    expect(passed + dropped.reduce((sum, count) => sum + count, 0)).toBe(1_000_000);
    expect(api.only.logs.slice(0, 3).map(({ line }) => line)).toEqual([0, 1, 2].map((n) => `line ${n} of a flood`));
    expect(grownMiB).toBeLessThan(150); // The fake server, in this process, keeps what passed.
  }, 30_000);

  it("keep colours, replace what is no UTF-8, cut long lines between characters", async () => {
    const { api } = bench();
    addTask(api);
    const broken = Buffer.from([0x61, 0xff, 0xfe, 0x62, 0x0a]).toString("base64");
    const long = "é".repeat(10_000);
    const script = [
      { op: "out", text: "\u001b[31mred\u001b[0m\r\n" },
      { op: "out_base64", data: broken },
      { op: "out", text: `${long}\n` },
      { op: "out", text: "no newline at the end" },
      started,
      ...ending,
    ];
    expect(await start(bench(), script).done).toBe(0);
    const lines = api.only.logs.map(({ line }) => line);
    expect(lines).toEqual([
      "\u001b[31mred\u001b[0m",
      "a\ufffd\ufffdb",
      "é".repeat(8192),
      "é".repeat(10_000 - 8192),
      "no newline at the end",
    ]);
  });
});

describe("LogQuota", () => {
  const limits = { log_bytes: 10_000, log_bytes_per_second: 100 };

  it("admits a burst, then the rate, then nothing once the total is reached", () => {
    const clock = new LeapingClock();
    const quota = new LogQuota(limits, clock);
    expect([quota.admits(400), quota.admits(1)]).toEqual([true, false]);
    clock.nowMs += 1000;
    expect([quota.admits(100), quota.admits(1)]).toEqual([true, false]);
    let admitted = 500;
    for (; quota.admits(100); admitted += 100) clock.nowMs += 1000;
    clock.nowMs += 1_000_000;
    expect([admitted <= 10_000, quota.admits(10_000 - admitted + 1)]).toEqual([true, false]);
  });

  it("tells of what it dropped at intervals and at the end, and counts each line once", () => {
    const clock = new LeapingClock();
    const quota = new LogQuota(limits, clock);
    quota.admits(400);
    quota.admits(50);
    expect(quota.takeNotice(false)).toMatch(/^1 log lines \(50 bytes\)/);
    quota.admits(50);
    expect(quota.takeNotice(false)).toBeNull();
    expect(quota.takeNotice(true)).toMatch(/^1 log lines/);
    expect(quota.takeNotice(true)).toBeNull();
  });
});

describe("LineSplitter", () => {
  it("gives the same lines however the bytes are cut", () => {
    const text = `one\n\nthree é€😀\n${"x".repeat(50)}\nend`;
    const bytes = Buffer.from(text);
    for (let size = 1; size < bytes.length; size += 1) {
      const splitter = new LineSplitter(20);
      const pieces: string[] = [];
      let line = "";
      const take = (piece: { bytes: Buffer; isEnd: boolean }): void => {
        expect(piece.bytes.length).toBeLessThanOrEqual(20);
        line += piece.bytes.toString("utf8");
        if (piece.isEnd) pieces.push(line);
        if (piece.isEnd) line = "";
      };
      for (let at = 0; at < bytes.length; at += size) {
        for (const piece of splitter.push(bytes.subarray(at, at + size))) take(piece);
      }
      for (const piece of splitter.end()) take(piece);
      expect(pieces).toEqual(text.split("\n"));
    }
  });
});
