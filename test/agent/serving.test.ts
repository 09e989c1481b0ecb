import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, vi } from "vitest";
import { keepServer } from "../../agent/src/serving/keep-server";
import { modelServerConfig, type ServedDeployment } from "../../protocol";
import type { PeerStream } from "../harness/engine-socket-peer";
import { addServeTask, base, trained } from "./serving-support";
import { addTask, fasterClock, LeapingClock, start, until, useBench } from "./support";

vi.setConfig({ testTimeout: 30_000 });

const bench = useBench();
const SCRIPTED_SERVER = fileURLToPath(new URL("../harness/scripted-server.mjs", import.meta.url).href);

/** An agent that serves these deployments, once they are in the states that are expected. */
async function serving(
  deployments: ServedDeployment[],
  changes: Parameters<typeof start>[2] = {},
  states: Record<string, string> = {},
) {
  const { api } = bench();
  addServeTask(api);
  api.deployments = deployments;
  const agent = start(bench(), undefined, { once: false, ...changes });
  await until(() => api.engineSockets.length === 1, "the engine's socket");
  for (const { id } of deployments) await inState(id, states[id] ?? "ready");
  return { agent, api, socket: api.engineSocket };
}

const inState = (id: string, state: string): Promise<void> =>
  until(() => bench().api.engineSocket.states(id).at(-1) === state, `${id} to be ${state}`);
const over = (stream: PeerStream): Promise<void> => until(() => stream.isOver, `the end of stream ${stream.id}`);
const printed = (start: string): string[] =>
  bench().api.only.logs.flatMap(({ line }) => (line.startsWith(start) ? [line.slice(start.length)] : []));
const noFilesLeft = (): void => expect(readdirSync(join(bench().dir, "state/tasks"))).toEqual([]);

async function ends(agent: Awaited<ReturnType<typeof serving>>["agent"]): Promise<void> {
  agent.drain();
  expect(await agent.done).toBe(0);
  noFilesLeft();
}

describe("a serve task", () => {
  it("starts a server, loads what the engine has, answers requests, and ends when it is cancelled", async () => {
    const adapter = await trained(bench(), "dep_a", "adapter", ["adapter_config.json", "adapter_model.safetensors"]);
    const weights = await trained(bench(), "dep_labels", "model", ["config.json", "model.safetensors"]);
    const { agent, api, socket } = await serving([base("dep_base"), adapter, weights]);
    expect(socket.url).toBe(`/agent/v1/engines/eng_1/connect?shard=0&lease=${api.only.lease.lease_id}`);
    expect(socket.statuses[0]).toEqual({ type: "serving", max_active: 64, max_queue: 64 });
    expect(socket.statuses.at(-1)).toEqual({
      type: "deployment",
      id: "dep_labels",
      state: "ready",
      labels: ["no", "yes"],
    });
    await until(() => printed("loaded").length === 3 && api.only.data.length === 1, "the reports");
    expect(api.only.data[0]).toMatchObject({ type: "started", device: "cpu", versions: { scripted: "1" } });
    const config = modelServerConfig.parse(JSON.parse(printed("config ")[0] ?? ""));
    expect(config).toMatchObject({ engine_id: "eng_1", task: "text-generation", gpus: [] });
    expect(printed("loaded ").map((line) => JSON.parse(line) as unknown)).toEqual([
      { id: "dep_base", form: "base", files: [] },
      { id: "dep_a", form: "adapter", files: ["adapter_config.json", "adapter_model.safetensors"] },
      { id: "dep_labels", form: "weights", files: ["config.json", "model.safetensors"] },
    ]);

    const whole = socket.ask("dep_a", { say: ["Hel", "lo"] }, { wants_output: true });
    const text = socket.ask("dep_base", { say: ["a"] }, { endpoint: "completions" });
    await Promise.all([over(whole), over(text)]);
    expect(whole.head).toEqual({ status: 200, content_type: "application/json" });
    const choices = [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }];
    expect(JSON.parse(whole.text)).toMatchObject({ id: "chatcmpl-1", model: "my-model", created: 1234, choices });
    const usage = { prompt_tokens: 3, completion_tokens: 2 };
    expect(whole.done).toEqual({ usage, finish_reason: "stop", output: "Hello", output_is_cut: false });
    expect(JSON.parse(text.text)).toMatchObject({ choices: [{ text: "a" }] });
    expect(text.done).not.toHaveProperty("output");

    const classes = socket.open("dep_labels", { input: "x" }, { endpoint: "classification", wants_output: true });
    await over(classes);
    expect(JSON.parse(classes.text)).toMatchObject({
      data: [{ logits: { no: -1.5, yes: 2.25 }, probs: { no: 0.02297736991, yes: 0.97702263009 } }],
    });
    expect(classes.done).toMatchObject({ usage: { prompt_tokens: 2, completion_tokens: 0 } });
    expect(JSON.parse(classes.done?.output ?? "")).toMatchObject([{ probs: { yes: 0.97702263009 } }]);

    api.only.directive = "cancel";
    await until(() => api.only.finish !== null, "the task's end");
    expect(api.only.finish).toEqual({ outcome: "cancelled" });
    await ends(agent);
  });

  it("streams as the client asked, token by token, with the worker's names and usage only where it is wanted", async () => {
    const { agent, socket } = await serving([base("dep_1")]);
    const plain = socket.ask("dep_1", { say: ["a", "b"] }, { stream: true, wants_output: true });
    const body = { prompt: JSON.stringify({ say: ["c"] }), stream_options: { include_usage: true } };
    const counted = socket.open("dep_1", body, { endpoint: "completions", stream: true });
    await Promise.all([over(plain), over(counted)]);
    expect(plain.head).toEqual({ status: 200, content_type: "text/event-stream" });
    expect(plain.text.endsWith("data: [DONE]\n\n")).toBe(true);
    const named = { id: "chatcmpl-1", model: "my-model", created: 1234, object: "test" };
    expect(plain.events).toEqual([
      { ...named, choices: [{ index: 0, delta: { content: "a" }, finish_reason: null }] },
      { ...named, choices: [{ index: 0, delta: { content: "b" }, finish_reason: null }] },
      { ...named, choices: [{ index: 0, delta: {}, finish_reason: "stop" }] },
    ]);
    const usage = { prompt_tokens: 3, completion_tokens: 2 };
    expect(plain.done).toEqual({ usage, finish_reason: "stop", output: "ab", output_is_cut: false });
    expect(counted.events.map((event) => event["usage"])).toEqual([null, null, expect.objectContaining(usage1)]);

    const file = join(bench().dir, "go on");
    const held = socket.ask("dep_1", { say: ["first", "last"], hold: file }, { stream: true });
    await until(() => held.events.length === 1, "the first token before the last is made");
    writeFileSync(file, "");
    await over(held);
    expect(held.events.map(({ choices }) => (choices as { delta: { content?: string } }[])[0]?.delta.content)).toEqual([
      "first",
      "last",
      undefined,
    ]);
    await ends(agent);
  });
  const usage1 = { prompt_tokens: 3, completion_tokens: 1 };

  it("carries 64 streams and a body of megabytes at once, mixing nothing", async () => {
    const { agent, socket } = await serving([base("dep_1"), base("dep_2")]);
    const streams = Array.from({ length: 64 }, (_, index) => {
      const say = Array.from({ length: 20 }, (_token, token) => `${index}.${token} `);
      return { say, stream: socket.ask(index % 2 === 0 ? "dep_1" : "dep_2", { say }, { stream: true }) };
    });
    const long = socket.ask("dep_1", { say: ["y"], ignored: "z".repeat(3_000_000) });
    await Promise.all([...streams.map(({ stream }) => over(stream)), over(long)]);
    for (const { say, stream } of streams) {
      const deltas = stream.events.map(({ choices }) => (choices as { delta: { content?: string } }[])[0]?.delta);
      expect(deltas.flatMap((delta) => delta?.content ?? [])).toEqual(say);
      expect(stream.done).toMatchObject({ usage: { completion_tokens: 20 } });
    }
    expect(JSON.parse(long.text)).toMatchObject({ choices: [{ message: { content: "y" } }] });
    expect(socket.bodyCredit).toBeGreaterThan(3_000_000 / 65_536);
    const frames = socket.messages.reduce((sum, count) => sum + count, 0);
    expect(frames / socket.messages.length).toBeGreaterThan(3); // Many to a message.
    await ends(agent);
  });
});

describe("what a client does", () => {
  it("that reads slowly stops the reading here, and that takes nothing is given up", async () => {
    const { agent, socket } = await serving([base("dep_1")], { clock: fasterClock(20) });
    const stream = socket.ask("dep_1", { big: 50_000, times: 800 }, { stream: true, reads: false });
    await until(() => stream.bytes === 256 * 1024, "all of its credit to be used");
    stream.give(1000);
    await until(() => stream.bytes === 256 * 1024 + 1000, "what was granted");
    await over(stream);
    expect(stream.reset).toMatchObject({ code: "no_credit" });
    expect(stream.bytes).toBe(256 * 1024 + 1000);
    await until(() => printed("left by its client").length === 1, "the server to notice");
    await ends(agent);
  });

  it("that leaves ends its request in the model server, and nothing more is sent", async () => {
    const { agent, socket } = await serving([base("dep_1")]);
    const streamed = socket.ask("dep_1", { say: ["a"], hang: true }, { stream: true });
    const whole = socket.ask("dep_1", { hang: true });
    await until(() => streamed.events.length === 1);
    streamed.leave();
    whole.leave();
    await until(() => printed("left by its client").length === 2, "the server to notice both");
    expect([streamed.isOver, whole.isOver]).toEqual([false, false]);
    await ends(agent);
  });

  it("wrongly is its answer; what the server lacks is told as that", async () => {
    const { agent, socket } = await serving([base("dep_1")]);
    const wrong = socket.ask("dep_1", { status: 400, message: "`n` must be 1", param: "n" }, { stream: true });
    const full = socket.ask("dep_1", { status: 429, message: "the queue is full" });
    const broken = socket.ask("dep_1", { status: 500, message: "it broke" });
    const unknown = socket.ask("dep_2", { say: ["a"] });
    await Promise.all([wrong, full, broken, unknown].map(over));
    expect(wrong.head).toEqual({ status: 400, content_type: "application/json" });
    expect(JSON.parse(wrong.text)).toEqual({ error: { message: "`n` must be 1", param: "n" } });
    expect([full, broken, unknown].map(({ reset }) => reset?.code)).toEqual([
      "queue_full",
      "server_error",
      "not_loaded",
    ]);
    await ends(agent);
  });

  it("waits for no longer than the limits say", async () => {
    const { agent, socket } = await serving([base("dep_1")], { clock: fasterClock(20) });
    const idle = socket.ask("dep_1", { say: ["a"], hang: true }, { stream: true, idle_ms: 2000 });
    const long = socket.ask("dep_1", { hang: true }, { idle_ms: 60_000, total_ms: 3000 });
    await Promise.all([idle, long].map(over));
    expect([idle.reset?.code, long.reset?.code]).toEqual(["idle", "too_long"]);
    expect(idle.events).toHaveLength(1);
    await ends(agent);
  });
});

describe("what the engine has", () => {
  it("is loaded and unloaded when it changes; what cannot be loaded is told with its cause, and the rest goes on", async () => {
    const broken = await trained(bench(), "dep_broken", "model", ["config.json"]);
    if (broken.checkpoint?.files[0]) broken.checkpoint.files[0].sha256 = "0".repeat(64);
    const { agent, api, socket } = await serving(
      [base("dep_refused"), broken, base("dep_1")],
      {},
      {
        dep_refused: "failed",
        dep_broken: "failed",
      },
    );
    const failures = socket.statuses.flatMap((status) =>
      status.type === "deployment" && status.state === "failed" ? [[status.id, status.message]] : [],
    );
    expect(Object.fromEntries(failures)).toEqual({
      dep_refused: "its weights are not safetensors",
      dep_broken: expect.stringMatching(/^SHA-256 is/),
    });

    const asked = api.deploymentsAsked;
    api.deployments = [base("dep_2")];
    socket.send({ type: "status", stream: 0, payload: Buffer.from('{"type":"deployments_changed"}') });
    await inState("dep_2", "ready");
    expect(api.deploymentsAsked).toBe(asked + 1);
    expect(["dep_refused", "dep_broken", "dep_1"].map((id) => socket.states(id).at(-1))).toEqual([
      "unloaded",
      "unloaded",
      "unloaded",
    ]);
    await until(() => printed("unloaded ").join() === "dep_1");
    await ends(agent);
  });

  it("is told again on a new socket, whose streams are its own", async () => {
    const { agent, api, socket } = await serving([base("dep_1")]);
    const lost = socket.ask("dep_1", { say: ["a"], hang: true }, { stream: true });
    await until(() => lost.events.length === 1);
    api.deployments = [base("dep_1"), base("dep_2")];
    socket.drop();
    await until(() => api.engineSockets.length === 2, "another socket");
    await inState("dep_2", "ready");
    expect(api.engineSocket.statuses[0]).toMatchObject({ type: "serving" });
    expect(api.engineSocket.states("dep_1")).toEqual(["ready"]);
    await until(() => printed("left by its client").length === 1, "the request of the old socket to end");
    const next = api.engineSocket.ask("dep_1", { say: ["b"] });
    await over(next);
    expect(next.done).toMatchObject({ finish_reason: "stop" });

    // An object that was evicted gives its numbers again, and knows nothing of the first.
    const first = api.engineSocket.ask("dep_1", { say: ["a"], hang: true }, { stream: true });
    await until(() => first.events.length === 1);
    const payload = Buffer.from(JSON.stringify({ messages: [{ content: '{"say":["c"]}' }] }));
    const open = { deployment_id: "dep_1", endpoint: "chat", stream: false, wants_output: false };
    const limits = { idle_ms: 9999, total_ms: 9999, answer: { id: "again", model: "m", created: 1 } };
    api.engineSocket.send(
      { type: "open", stream: first.id, payload: Buffer.from(JSON.stringify({ ...open, ...limits })) },
      { type: "body", stream: first.id, payload },
      { type: "end", stream: first.id, payload: Buffer.alloc(0) },
    );
    await over(first);
    expect(first.text).toContain('"id":"again"');
    await until(() => printed("left by its client").length === 2, "the forgotten request to end");
    await ends(agent);
  });
});

describe("a model server that ends", () => {
  it("is started again: open streams get an error, and what was loaded is loaded again", async () => {
    const { agent, api, socket } = await serving([base("dep_1")]);
    const streams = [
      socket.ask("dep_1", { say: ["a"], hang: true }, { stream: true }),
      socket.ask("dep_1", { hang: true }),
    ];
    await until(() => streams[0]?.events.length === 1);
    const killer = socket.ask("dep_1", { say: ["x"], die: true }, { stream: true });
    await Promise.all([...streams, killer].map(over));
    expect([...streams, killer].map(({ reset }) => reset?.code)).toEqual(Array(3).fill("server_error"));
    await until(() => socket.states("dep_1").join() === "loading,ready,loading,ready", "it to be loaded again");
    const next = socket.ask("dep_1", { say: ["b"] });
    await over(next);
    expect(next.done).toMatchObject({ finish_reason: "stop" });
    expect(api.only.data.map(({ type }) => type)).toEqual(["started", "notice"]);
    await ends(agent);
  });

  it("whenever one model is loaded keeps serving the others", async () => {
    const { agent, socket } = await serving(
      [base("dep_1"), base("dep_deadly"), base("dep_2")],
      { clock: fasterClock(5) },
      {
        dep_deadly: "failed",
      },
    );
    const failure = socket.statuses.find((status) => status.type === "deployment" && status.state === "failed");
    expect(failure).toMatchObject({ id: "dep_deadly", message: expect.stringContaining("while it loaded this model") });
    const streams = ["dep_1", "dep_2"].map((id) => socket.ask(id, { say: ["a"] }));
    await Promise.all(streams.map(over));
    expect(streams.map(({ done }) => done?.finish_reason)).toEqual(["stop", "stop"]);
    await ends(agent);
  });

  it.each([
    ["fail", { message: "no torch here" }],
    ["die", { message: expect.stringContaining("exited with code 3 before it was ready") }],
  ])("before it was ready (%s) fails the task with its reason", async (how, expected) => {
    const { api } = bench();
    addServeTask(api);
    const servers = { small: { command: process.execPath, args: [SCRIPTED_SERVER, how], pythonPath: "" }, vllm: null };
    expect(await start(bench(), undefined, { servers }).done).toBe(1);
    expect(api.only.finish).toMatchObject({ outcome: "failed", reason: "trainer_error", ...expected });
    noFilesLeft();
  });
});

describe("keepServer", () => {
  /** A server whose process is there; whether it answers is the test's to say. */
  function server(answers: () => Promise<boolean>, ended = new Promise<string>(() => undefined)) {
    const stops: number[] = [];
    const refuse = (): never => {
      throw new Error("nothing is asked of it");
    };
    const limits = { device: "cpu", versions: {}, maxActive: 1, maxQueue: 0 };
    const stop = (graceMs: number): Promise<void> => Promise.resolve(void stops.push(graceMs));
    return { ...limits, load: refuse, unload: refuse, ask: refuse, isUp: answers, ended, stop, stops };
  }

  it("ends a server that hangs, not one that is slow now and then", async () => {
    const clock = new LeapingClock();
    const stopping = new AbortController();
    const answers = [true, false, false, true];
    const hung = server(() =>
      answers.length > 0 ? Promise.resolve(answers.shift() === true) : new Promise(() => undefined),
    );
    const servers = [hung, server(() => Promise.resolve(true))];
    const downs: string[] = [];
    const startedAtMs = clock.now();
    const kept = keepServer({
      ...{ clock, log: bench().log, leaseId: "t.1", stopping: stopping.signal },
      answered: () => 0,
      start: () => Promise.resolve(servers.shift() ?? hung),
      onUp: () => Promise.resolve(servers.length === 0 ? stopping.abort() : undefined),
      onDown: (why) => Promise.resolve(void downs.push(why)),
      drain: () => Promise.resolve(),
    });
    expect(await kept).toBeNull();
    expect(downs).toEqual(["the model server has not answered for 300 s"]);
    expect(hung.stops).toEqual([5000]);
    expect(clock.now() - startedAtMs).toBeGreaterThan(300_000);
  });

  it.each([
    ["again and again without an answer", 6, () => 0],
    ["between answers, whenever one comes", 11, (starts: number) => Math.min(starts, 6)],
  ])("starts one anew that ends %s: %i times", async (_how, expected, answered) => {
    let starts = 0;
    const killed = Promise.resolve("the model server was killed by SIGKILL");
    const kept = keepServer({
      ...{ clock: new LeapingClock(), log: bench().log, leaseId: "t.1", stopping: new AbortController().signal },
      answered: () => answered(starts),
      start: () => {
        starts += 1;
        return Promise.resolve(server(() => Promise.resolve(true), killed));
      },
      onUp: () => Promise.resolve(),
      onDown: () => Promise.resolve(),
      drain: () => Promise.resolve(),
    });
    expect(await kept).toContain("again and again, 6 times by now; at last: the model server was killed by SIGKILL");
    expect(starts).toBe(expected);
  });
});

describe("an agent that is stopped", () => {
  it("takes nothing new, lets requests end, and gives the task back; a second kind of end is not waited for", async () => {
    const { agent, api, socket } = await serving([base("dep_1")]);
    const file = join(bench().dir, "go on");
    const held = socket.ask("dep_1", { say: ["a", "b"], hold: file }, { stream: true });
    await until(() => held.events.length === 1);
    agent.drain();
    await inState("dep_1", "unloaded");
    api.deployments = [base("dep_1"), base("dep_2")];
    const asked = api.deploymentsAsked;
    socket.send({ type: "status", stream: 0, payload: Buffer.from('{"type":"deployments_changed"}') });
    await until(() => api.deploymentsAsked > asked);
    const late = socket.ask("dep_1", { say: ["c"] });
    await over(late);
    expect(late.reset).toMatchObject({ code: "draining" });
    writeFileSync(file, "");
    await over(held);
    expect(held.done).toMatchObject({ finish_reason: "stop" });
    expect(await agent.done).toBe(0);
    expect(socket.states("dep_2")).toEqual([]);
    expect(api.only.release).toMatchObject({ reason: "preempted" });
    noFilesLeft();
  });

  it("waits for a request that does not end only so long", async () => {
    const { agent, socket } = await serving([base("dep_1")], { clock: fasterClock(50) });
    const hung = socket.ask("dep_1", { hang: true }, { stream: true, idle_ms: 10_000_000, total_ms: 10_000_000 });
    await until(() => hung.head !== null);
    agent.drain();
    await over(hung);
    expect(hung.reset).toMatchObject({ code: "draining" });
    expect(await agent.done).toBe(0);
  });

  it("serves and trains at once where there are no GPUs, and claims what memory is left", async () => {
    const { agent, api } = await serving([base("dep_1")]);
    const [slots] = api.registrations.map((registration) => registration.slots);
    expect(slots?.map(({ id }) => id)).toEqual(["cpu", "serve"]);
    const task = addTask(api);
    api.push({ type: "wake", task_id: task.task_id });
    await until(() => api.leases.get(task.lease_id)?.finish?.outcome === "completed", "the training");
    const offered = api.claims.at(-1)?.free_slots.find(({ id }) => id === "serve")?.serve_bytes;
    expect(offered).toBe((slots?.[1]?.serve_bytes ?? 0) - 1_000_000);
    await ends(agent);
  });
});
