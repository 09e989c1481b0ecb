import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { root } from "../../scripts/env";

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), "anneal-cli-"));
});
afterAll(async () => {
  await rm(dir, { recursive: true });
});

function anneal(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  const argv = ["--import", "tsx", path.join(root, "scripts", "cli", "main.ts"), ...args];
  const clean = { PATH: process.env["PATH"] ?? "", HOME: dir, ANNEAL_STATE_DIR: dir };
  return new Promise((resolve) => {
    execFile(process.execPath, argv, { cwd: root, env: { ...clean, ...env } }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

// Each starts a process, and other tests share the cores.
describe("exit codes", { timeout: 60_000 }, () => {
  it("2 for a wrong command line", async () => {
    expect(await anneal(["jobs", "get"])).toMatchObject({ code: 2, stdout: "" });
    expect((await anneal(["jobs", "create", "--gpu", "L4:x"])).code).toBe(2);
  });

  it("1 without a deployment, and says what to do", async () => {
    const { code, stderr } = await anneal(["jobs", "list"]);
    expect(code).toBe(1);
    expect(stderr).toContain("npm run dev");
  });

  it("4 when nothing answers", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const url = `http://127.0.0.1:${String(port)}`;
    const { code, stderr } = await anneal(["jobs", "list"], { ANNEAL_URL: url, ANNEAL_API_KEY: "sk-x" });
    expect([code, stderr.includes(url)]).toEqual([4, true]);
  });

  it("1 when the deployment refuses, in its words; the environment goes before the file", async () => {
    await writeFile(
      path.join(dir, "credentials.json"),
      JSON.stringify({ url: "http://127.0.0.1:1", api_key: "sk-file" }),
    );
    const error = { code: "not_found", message: "job not found", request_id: "r" };
    let authorization: string | undefined;
    const server = createServer((request, response) => {
      authorization = request.headers.authorization;
      response.writeHead(404, { "content-type": "application/json" }).end(JSON.stringify({ error }));
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    const env = { ANNEAL_URL: `http://127.0.0.1:${String(port)}/`, ANNEAL_API_KEY: "sk-env" };
    const ended = await anneal(["jobs", "get", "job_x", "--json"], env);
    server.close();
    expect(ended).toEqual({ code: 1, stdout: "", stderr: "error: job not found [not_found]\n" });
    expect(authorization).toBe("Bearer sk-env");
  });

  it("0 when something was deleted, of each kind, with one line of JSON", async () => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(`${request.method ?? ""} ${request.url ?? ""}`);
      response.writeHead(200, { "content-type": "application/json" }).end('{"id":"x","deleted":true}');
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    const env = { ANNEAL_URL: `http://127.0.0.1:${String(port)}`, ANNEAL_API_KEY: "sk-x" };
    const kinds = ["projects", "datasets", "functions", "jobs", "engines", "deployments"];
    const ended = await Promise.all(kinds.map((kind) => anneal([kind, "delete", "x", "--json"], env)));
    server.close();
    expect(ended).toEqual(kinds.map(() => ({ code: 0, stdout: '{"id":"x","deleted":true}\n', stderr: "" })));
    expect(asked.sort()).toEqual(kinds.map((kind) => `DELETE /anneal/v1/${kind}/x`).sort());
  });
});

/** Answers each request with `answer`, and keeps what was asked. */
async function answering(
  answer: (body: string, response: ServerResponse) => void,
): Promise<{ asked: unknown[]; env: Record<string, string>; close: () => void }> {
  const asked: unknown[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      asked.push([request.url, JSON.parse(body)]);
      answer(body, response);
    });
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  const env = { ANNEAL_URL: `http://127.0.0.1:${String(port)}`, ANNEAL_API_KEY: "sk-x" };
  return { asked, env, close: () => server.close() };
}

describe("a chat", { timeout: 60_000 }, () => {
  it("writes an answer as it comes, and says when it broke off", async () => {
    const { asked, env, close } = await answering((body, response) => {
      const ending = body.includes("break") ? '{"error":{"message":"the agent was lost"}}' : "[DONE]";
      const pieces = ["Hel", "lo"].map((content) => JSON.stringify({ choices: [{ delta: { content } }] }));
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.end([...pieces, ending].map((data) => `data: ${data}\n\n`).join(": still here\n\n"));
    });
    const [whole, broken] = await Promise.all([
      anneal(["chat", "a/b", "say", "hi", "--system", "be kind", "--max-tokens", "5"], env),
      anneal(["chat", "a/b", "break"], env),
    ]);
    close();
    expect(whole).toEqual({ code: 0, stdout: "Hello\n", stderr: "" });
    expect(broken).toEqual({ code: 1, stdout: "Hello\n", stderr: "error: the answer broke off: the agent was lost\n" });
    const messages = [
      { role: "system", content: "be kind" },
      { role: "user", content: "say hi" },
    ];
    const path = "/anneal/v1/deployments/a%2Fb/chat/completions";
    expect(asked).toContainEqual([path, { messages, max_tokens: 5, stream: true }]);
  });
});

it("an engine's hours are taken as people write them", { timeout: 60_000 }, async () => {
  const { asked, env, close } = await answering((_body, response) => {
    response.writeHead(201, { "content-type": "application/json" }).end('{"id":"eng_1"}');
  });
  const make = (schedule: string) => anneal(["engines", "create", "--base-model", "m", "--schedule", schedule], env);
  const [made, wrong] = await Promise.all([make("Europe/Berlin 08:00-18:00 mon,th"), make("Europe/Berlin 8 t")]);
  close();
  expect([made, wrong.code]).toEqual([{ code: 0, stdout: "eng_1\n", stderr: "" }, 2]);
  const hours = { timezone: "Europe/Berlin", start_time: "08:00", end_time: "18:00", days: ["monday", "thursday"] };
  expect(asked).toEqual([["/anneal/v1/engines", { base_model: "m", management: { kind: "schedule", ...hours } }]]);
});
