import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { apiClient } from "../../scripts/api";
import { saveDownload } from "../../scripts/cli/download";

const BYTES = Buffer.alloc(300_000, "model ");
const SHA256 = createHash("sha256").update(BYTES).digest("hex");

/** Signs and serves one file as the worker does, but breaks off each answer after `breakAfter` bytes. */
interface FlakyServer {
  server: Server;
  url: string;
  ranges: (string | undefined)[];
}

async function flakyServer(options: { breakAfter: number; sha256: string }): Promise<FlakyServer> {
  const ranges: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    if (request.url === "/signed") {
      if (request.headers.authorization !== "Bearer k") return void response.writeHead(401).end();
      const { port } = server.address() as AddressInfo;
      const body = { sha256: options.sha256, url: `http://127.0.0.1:${String(port)}/bytes` };
      return void response.setHeader("content-type", "application/json").end(JSON.stringify(body));
    }
    const { range } = request.headers;
    ranges.push(range);
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? "bytes=0-")?.[1]);
    if (from >= BYTES.length) return void response.writeHead(416).end();
    const rest = BYTES.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, { "content-length": rest.length });
    if (rest.length <= options.breakAfter) return void response.end(rest);
    response.write(rest.subarray(0, options.breakAfter), () => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, ranges, url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}` };
}

let dir: string;
let file: string;
let flaky: FlakyServer | undefined;
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), "anneal-cli-"));
  file = path.join(dir, "out", "model.tar.gz");
});
afterEach(async () => {
  flaky?.server.close();
  await rm(dir, { recursive: true });
});

async function download(options: { breakAfter?: number; sha256?: string } = {}) {
  flaky = await flakyServer({ breakAfter: options.breakAfter ?? Infinity, sha256: options.sha256 ?? SHA256 });
  return saveDownload(apiClient(flaky.url, "k"), "/signed", file);
}

describe("saveDownload", () => {
  it("goes on where a line broke, and checks the whole", async () => {
    expect(await download({ breakAfter: 120_000 })).toEqual({ path: file, size_bytes: BYTES.length, sha256: SHA256 });
    expect(await readFile(file)).toEqual(BYTES);
    expect(flaky?.ranges[0]).toBeUndefined();
    expect(flaky?.ranges.slice(1).every((range) => /^bytes=[1-9]\d*-$/.test(range ?? ""))).toBe(true);
    expect(existsSync(`${file}.part`)).toBe(false);
  });

  it("keeps no file whose bytes are not the committed ones", async () => {
    await expect(download({ sha256: "0".repeat(64) })).rejects.toThrow("it was deleted");
    expect([existsSync(file), existsSync(`${file}.part`)]).toEqual([false, false]);
  });

  it("asks for no byte of a file that is there already", async () => {
    await download();
    flaky?.server.close();
    await download();
    expect(flaky?.ranges).toEqual([]);
  });

  it("takes up what an earlier run has left", async () => {
    await download({ sha256: SHA256 });
    await rm(file);
    await writeFile(`${file}.part`, BYTES.subarray(0, 250_000));
    flaky?.server.close();
    await download();
    expect(flaky?.ranges).toEqual(["bytes=250000-"]);
    expect(await readFile(file)).toEqual(BYTES);
  });
});
