import { randomBytes } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Agent } from "undici";
import { afterAll, describe, expect, it } from "vitest";
import { CacheSpace } from "../../agent/src/cache-space";
import { InputCache } from "../../agent/src/input-cache";
import { statePaths } from "../../agent/src/paths";
import type { Download } from "../../protocol";
import { addTask, ending, leapingRetrier, LeapingClock, start, started, useBench } from "./support";

const bench = useBench();
const dispatcher = new Agent();
afterAll(() => dispatcher.destroy());

const KIB = 1024;
const never = new AbortController().signal;
const cachePaths = () => statePaths(bench().dir).cache;

function open(maxBytes: number): { space: CacheSpace; fetch: (source: Download, name: string) => Promise<Buffer> } {
  const space = new CacheSpace(cachePaths(), maxBytes);
  const cache = new InputCache(space, bench().log);
  const fetch = async (source: Download, name: string): Promise<Buffer> => {
    const path = join(bench().dir, name);
    const retrier = leapingRetrier(new LeapingClock());
    await cache.fetch(source, path, { baseUrl: bench().api.url, dispatcher, retrier }, never);
    return readFileSync(path);
  };
  return { space, fetch };
}

const used = (path: string, secondsAgo: number): void => {
  const at = new Date(Date.now() - secondsAgo * 1000);
  utimesSync(path, at, at);
};

describe("inputs that are kept", () => {
  it("are downloaded once, also by two tasks at once, and each task has a copy of its own", async () => {
    const { files } = bench().api;
    const bytes = randomBytes(300 * KIB);
    const { fetch, space } = open(1024 * KIB);
    const source = files.offer(bytes);
    const both = await Promise.all([fetch(source, "a"), fetch(source, "b")]);
    expect(both.every((got) => got.equals(bytes))).toBe(true);
    appendFileSync(join(bench().dir, "a"), "changed by its task");
    expect((await fetch(source, "c")).equals(bytes)).toBe(true);
    expect(files.ranges).toHaveLength(1);
    expect(statSync(join(bench().dir, "c")).ino).not.toBe(statSync(space.pathOf(source.sha256)).ino);
  });

  it("that somebody has changed are noticed and fetched again", async () => {
    const { files } = bench().api;
    const bytes = randomBytes(100 * KIB);
    const { fetch, space } = open(1024 * KIB);
    const source = files.offer(bytes);
    await fetch(source, "a");
    writeFileSync(space.pathOf(source.sha256), randomBytes(100 * KIB));
    expect((await fetch(source, "b")).equals(bytes)).toBe(true);
    expect(files.ranges).toHaveLength(2);
  });

  it("go on after the agent that began to fetch them has died", async () => {
    const { files } = bench().api;
    const bytes = randomBytes(300 * KIB);
    const source = files.offer(bytes);
    const { fetch, space } = open(1024 * KIB);
    const partial = `${space.pathOf(source.sha256)}.part`;
    mkdirSync(dirname(partial), { recursive: true });
    writeFileSync(partial, bytes.subarray(0, 200 * KIB));
    expect((await fetch(source, "a")).equals(bytes)).toBe(true);
    expect(files.ranges).toEqual([`bytes=${200 * KIB}-`]);

    const whole = files.offer(randomBytes(100 * KIB));
    writeFileSync(`${space.pathOf(whole.sha256)}.part`, randomBytes(50 * KIB));
    await fetch(whole, "b");
    expect(files.ranges.slice(1)).toEqual([`bytes=${50 * KIB}-`, undefined]);
  });

  it("make room for newer ones, the longest unused first; what is larger than the bound is not kept", async () => {
    const { files } = bench().api;
    const { fetch, space } = open(300 * KIB);
    const [one, two, three] = [0, 1, 2].map(() => files.offer(randomBytes(100 * KIB)));
    if (!one || !two || !three) throw new Error("three files were offered");
    for (const [index, source] of [one, two, three].entries()) {
      await fetch(source, "a");
      used(space.pathOf(source.sha256), 100 - index);
    }
    await fetch(one, "a"); // Now `two` is the longest unused.
    await fetch(files.offer(randomBytes(100 * KIB)), "a");
    expect([one, two, three].map(({ sha256 }) => existsSync(space.pathOf(sha256)))).toEqual([true, false, true]);
    const large = files.offer(randomBytes(301 * KIB));
    await fetch(large, "a");
    expect([large, one, three].map(({ sha256 }) => existsSync(space.pathOf(sha256)))).toEqual([false, true, true]);
  });
});

describe("models of a hub", () => {
  function model(id: string, kib: number, secondsAgo: number): string {
    const folder = join(cachePaths().hub, "hub", `models--${id.replace("/", "--")}`);
    mkdirSync(join(folder, "blobs"), { recursive: true });
    writeFileSync(join(folder, "blobs/weights"), randomBytes(kib * KIB));
    used(folder, secondsAgo);
    return folder;
  }

  it("are under the same bound; the one that a task uses stays until the task is over", async () => {
    const { space } = open(250 * KIB);
    const [old, held, recent] = [model("a/old", 100, 30), model("a/held", 200, 20), model("b/recent", 100, 10)];
    const there = (): boolean[] => [old, held, recent].map((folder) => existsSync(folder));
    const release = space.holdModel({ kind: "hub", id: "a/held" });
    await space.makeRoom(0);
    expect(there()).toEqual([false, true, false]);
    model("b/recent", 100, 10);
    await release(); // Its use is the last one, so the other goes.
    expect(there()).toEqual([false, true, false]);
  });
});

describe("an agent", () => {
  it("fetches the inputs of a second task of the same dataset from its own disk", async () => {
    const { api } = bench();
    const first = addTask(api);
    expect(await start(bench(), [started, ...ending]).done).toBe(0);
    const requests = api.files.ranges.length;
    addTask(api, { inputs: first.inputs });
    const script = [started, { op: "tell_environment" }, ...ending];
    expect(await start(bench(), script).done).toBe(0);
    expect(api.files.ranges).toHaveLength(requests);
    const [environment = ""] = [...api.leases.values()].at(-1)?.logs.map(({ line }) => line) ?? [];
    expect(JSON.parse(environment)).toMatchObject({ HF_HOME: join(bench().dir, "state/cache/hub") });
  });
});
