/** Two set-ups at once are one after the other, and a lock that a killed process left does not last. */
import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { withFileLock } from "../../scripts/file-lock";

let dir: string;
let file: string;

beforeEach(() => {
  dir = mkdtempSync(path.join(os.tmpdir(), "anneal-lock-"));
  file = path.join(dir, "lock");
});

afterEach(() => {
  rmSync(dir, { recursive: true });
});

describe("withFileLock", () => {
  it("lets one in at a time and tells the other that it waits", async () => {
    const order: string[] = [];
    const work = (name: string) => async (): Promise<void> => {
      order.push(`${name} in`);
      await new Promise((resolve) => setImmediate(resolve));
      order.push(`${name} out`);
    };
    const first = withFileLock(file, () => order.push("first waits"), work("first"));
    const second = withFileLock(file, () => order.push("second waits"), work("second"));
    await Promise.all([first, second]);
    const inside = order.filter((entry) => !entry.endsWith("waits"));
    expect([inside.slice(0, 2), inside.slice(2)].sort()).toEqual([
      ["first in", "first out"],
      ["second in", "second out"],
    ]);
    expect(order.filter((entry) => entry.endsWith("waits"))).toHaveLength(1);
  });

  it("is free again after a failure", async () => {
    const failing = withFileLock(
      file,
      () => undefined,
      () => Promise.reject(new Error("no disk")),
    );
    await expect(failing).rejects.toThrow("no disk");
    expect(existsSync(file)).toBe(false);
  });

  it("takes over a lock that nobody has touched for a minute", async () => {
    writeFileSync(file, "");
    const longAgo = new Date(Date.now() - 61_000);
    utimesSync(file, longAgo, longAgo);
    expect(
      await withFileLock(
        file,
        () => undefined,
        () => Promise.resolve("done"),
      ),
    ).toBe("done");
  });
});
