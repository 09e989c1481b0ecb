import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { emptyFrame, jsonFrame, NO_CREDIT_MS, STREAM_CREDIT_BYTES } from "../../protocol";
import { type DomainError, unwrap, type Answer } from "../../worker/domain/errors";
import type { InferenceLogEntry, RelayCall } from "../../worker/domain/inference";
import { RequestLog } from "../../worker/relay/request-log";
import type { CallOutcome } from "../../worker/services/record-call";
import { MAX_HELD_BYTES, ServeRequests } from "../../worker/services/serve-request";
import { infer } from "../../worker/services/infer";
import type { EngineRecord, ServedModel } from "../../worker/domain/engines";
import type { EngineDoors } from "../../worker/domain/ports";
import { FrameAgent, type Handlers, type RelayedRequest } from "../harness/frame-agent";
import { LIMITS, type RelayFixture } from "./fixture/relay-fixture";

type Stub = ReturnType<typeof env.RELAY_FIXTURE.getByName>;
let engines = 0;
const freshEngine = (): Stub => env.RELAY_FIXTURE.getByName(`engine ${String(++engines)}`);
const inEngine = <T>(stub: Stub, work: (fixture: RelayFixture) => T | Promise<T>): Promise<T> =>
  runInDurableObject(stub, (fixture: RelayFixture) => work(fixture));

async function connect(stub: Stub, handlers: Handlers, taskId = "task1", epoch = 1): Promise<FrameAgent> {
  const agent = { agentId: `agent of ${taskId}`, taskId, epoch };
  const response = await stub.fetch("https://relay.test", {
    headers: { upgrade: "websocket", "x-agent": JSON.stringify(agent) },
  });
  if (response.webSocket === null) throw new Error("no socket");
  const frames = new FrameAgent(response.webSocket, handlers);
  frames.ready("d1");
  await inEngine(stub, async ({ hub }) => {
    while (!hub.agents().some((a) => a.taskId === taskId && a.epoch === epoch) || !hub.isReady("d1")) await turn();
  });
  return frames;
}

const inFreshEngine = <T>(work: (fixture: RelayFixture) => T | Promise<T>): Promise<T> => inEngine(freshEngine(), work);

const turn = (): Promise<void> => scheduler.wait(0);
/** Lets what is on its way arrive: turns of the event loop until it has, at most some thousand. */
async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  for (let n = 0; n < 5000; n++) {
    if (await what()) return;
    await turn();
  }
  throw new Error("it never came to that");
}

function callOf(body: unknown, stream = true): RelayCall {
  const answer = { id: `chatcmpl-${crypto.randomUUID()}`, model: "m", created: 7 };
  return {
    open: { deployment_id: "d1", endpoint: "chat", stream, answer, wants_output: false },
    body: new TextEncoder().encode(JSON.stringify(body)),
    principal: { accountId: "a", projectId: "p", keyId: "k" },
    served: {} as ServedModel,
    store: null,
  };
}

/** RPC carries a Response inside data, though its types do not know it. */
const serve = async (stub: Stub, call: RelayCall): Promise<Response> =>
  unwrap(await (stub.serve(call) as unknown as Promise<Answer<Response>>));

const events = (text: string): string[] => {
  return text
    .split("\n\n")
    .filter((event) => event.startsWith("data: "))
    .map((event) => event.slice(6));
};
const numbers = (text: string): number[] =>
  events(text)
    .filter((event) => event !== "[DONE]")
    .map((event) => (JSON.parse(event) as { n: number }).n);
const errorIn = (text: string): unknown => (JSON.parse(events(text).at(-1) ?? "{}") as { error?: unknown }).error;
const upTo = (n: number): number[] => Array.from({ length: n }, (_, index) => index);

/** As many pieces as the request wants, each of so many bytes. */
const counting = ({ body }: RelayedRequest) => {
  const { count, bytes = 0, from = 0 } = body as { count: number; bytes?: number; from?: number };
  return { events: upTo(count).map((n) => ({ n: from + n, pad: "x".repeat(bytes) })) };
};
/** Says what it was asked, and nothing more until it is told to. */
function held() {
  let release: (value: unknown) => void = () => undefined;
  const released = new Promise((resolve) => (release = resolve));
  async function* pieces() {
    yield { n: 1 };
    await released;
    yield { n: 2 };
  }
  return { release: () => release(null), chat: () => ({ events: pieces() }) };
}

describe("a request", () => {
  it("brings an answer whole, with what the model server used, and its errors as errors", async () => {
    const stub = freshEngine();
    const agent = await connect(stub, {
      chat: ({ body }) => {
        if (body["bad"] === undefined) return { json: { id: "x", created: 1, said: body["say"] }, output: "hello" };
        const error = { message: "must be at most 2", type: "invalid_request_error", param: "temperature", code: null };
        return { status: Number(body["bad"]), json: { error } };
      },
    });
    const call = callOf({ say: "hello" }, false);
    const response = await serve(stub, call);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.json()).toEqual({ ...call.open.answer, said: "hello" });
    expect(agent.requests[0]?.open).toMatchObject({ idle_ms: LIMITS.totalMs, total_ms: LIMITS.totalMs });
    const usage = { prompt_tokens: 3, completion_tokens: 5 };
    await inEngine(stub, async ({ outcomes }) => {
      await until(() => outcomes.length === 1);
      const done = { usage, finish_reason: "stop", output: "hello" };
      expect(outcomes).toEqual([{ done, status: 200, error: null, firstByteAtMs: expect.any(Number) as number }]);
    });
    const refused = (bad: number) => serve(stub, callOf({ bad }, bad === 400)).catch((error: unknown) => error);
    expect(await refused(400)).toMatchObject({
      ...{ code: "invalid_request", message: "must be at most 2" },
      detail: { field: "temperature" },
    });
    expect(await refused(429)).toMatchObject({ code: "rate_limited", detail: { retryAfterSeconds: 1 } });
    expect(await refused(404)).toMatchObject({ code: "unavailable", detail: { retryAfterSeconds: 1 } });
    expect(await refused(500)).toMatchObject({ code: "internal" });
    expect(await inEngine(stub, ({ hub }) => hub.openStreams())).toBe(0);
  });

  it("of any size comes whole to the agent, and an answer of any size back", async () => {
    const stub = freshEngine();
    const agent = await connect(stub, { chat: ({ body }) => ({ json: { said: body["say"] } }) });
    const say = "é".repeat(3 * STREAM_CREDIT_BYTES);
    const response = await serve(stub, callOf({ say }, false));
    expect(await response.json()).toMatchObject({ said: say });
    expect(agent.messagesIn).toBeGreaterThan(12);
  });

  it("of 64 at once, streamed: none loses or mixes a piece, and small frames share messages", async () => {
    const stub = freshEngine();
    const agent = await connect(stub, { chat: counting });
    const texts = await Promise.all(
      upTo(64).map(async (k) => (await serve(stub, callOf({ count: 30, from: k * 1000, bytes: k * 4 }))).text()),
    );
    for (const [k, text] of texts.entries()) {
      expect(numbers(text)).toEqual(upTo(30).map((n) => k * 1000 + n));
      expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
    }
    // 64 requests of three frames each, and nobody waits for credit.
    expect(agent.messagesIn).toBeLessThan(64);
    await inEngine(stub, async ({ hub, outcomes }) => {
      await until(() => outcomes.length === 64);
      expect(hub.openStreams()).toBe(0);
    });
  });

  it("goes to the least busy agent, and elsewhere when that one is full, ending, or gone", async () => {
    const stub = freshEngine();
    const waiting = held();
    const a = await connect(stub, { chat: () => ({ reset: { code: "queue_full", message: "full" } }) }, "a");
    const b = await connect(stub, waiting, "b");
    const c = await connect(stub, { chat: () => new Promise(() => undefined) }, "c");
    // a refuses each; b answers, c never does until its socket drops.
    const first = serve(stub, callOf({}));
    const second = serve(stub, callOf({}));
    const third = serve(stub, callOf({}));
    await until(() => b.requests.length + c.requests.length >= 3);
    c.drop();
    const responses = await Promise.all([first, second, third]);
    waiting.release();
    for (const response of responses) expect(numbers(await response.text())).toEqual([1, 2]);
    expect(a.requests.length).toBeGreaterThanOrEqual(1);
    expect(b.requests).toHaveLength(3);
    b.drop();
    await inEngine(stub, ({ hub }) => until(() => hub.agents().length === 1));
    await expect(serve(stub, callOf({}))).rejects.toMatchObject({ code: "rate_limited" });
    a.drop();
    await inEngine(stub, ({ hub }) => until(() => hub.agents().length === 0));
    await expect(serve(stub, callOf({}))).rejects.toMatchObject({ code: "unavailable" });
  });
});

describe("a stream", () => {
  it("is held up by a reader who takes nothing, without others being so, and goes on", async () => {
    const stub = freshEngine();
    const agent = await connect(stub, { chat: counting });
    const slow = await serve(stub, callOf({ count: 60, bytes: 8 * 1024 }));
    const stream = () => [...agent.streams.values()][0];
    await until(() => (stream()?.credit ?? 1) <= 0);
    const others = await Promise.all(upTo(8).map(async () => (await serve(stub, callOf({ count: 50 }))).text()));
    for (const text of others) expect(numbers(text)).toEqual(upTo(50));
    expect(stream()?.credit).toBeLessThanOrEqual(0);
    expect(numbers(await slow.text())).toEqual(upTo(60));
  });

  it("of a reader who takes nothing for half a minute is cut, and the agent told", async () => {
    const stub = freshEngine();
    const agent = await connect(stub, { chat: counting });
    await serve(stub, callOf({ count: 60, bytes: 8 * 1024 }));
    await until(() => ([...agent.streams.values()][0]?.credit ?? 1) <= 0);
    await inEngine(stub, async (fixture) => {
      fixture.aheadMs += NO_CREDIT_MS + 1000;
      fixture.hub.tick();
      await until(() => fixture.outcomes.length === 1);
      expect(fixture.outcomes[0]).toMatchObject({ done: null, status: 499 });
    });
    await until(() => agent.requests[0]?.reset?.code === "no_credit");
  });

  it("whose client leaves is found by a comment, and ends at the agent", async () => {
    const stub = freshEngine();
    const waiting = held();
    const agent = await connect(stub, waiting);
    const response = await serve(stub, callOf({}));
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const first = await reader.read();
    expect(new TextDecoder().decode(first.value)).toContain('"n":1');
    await inEngine(stub, (fixture) => {
      fixture.aheadMs += 5000;
      fixture.hub.tick();
    });
    expect(new TextDecoder().decode((await reader.read()).value)).toBe(": keep-alive\n\n");
    await reader.cancel("the client has enough");
    await until(async () => {
      await inEngine(stub, (fixture) => {
        fixture.aheadMs += 5000;
        fixture.hub.tick();
      });
      return agent.requests[0]?.reset !== null;
    });
    expect(agent.requests[0]?.reset?.code).toBe("client_gone");
    const { outcomes } = await inEngine(stub, ({ outcomes }) => ({ outcomes }));
    expect(outcomes).toMatchObject([{ done: null, status: 499 }]);
  });

  it("that is silent for too long, or takes too long, gets an error event", async () => {
    const stub = freshEngine();
    const agent = await connect(stub, held());
    // Step by step, as time goes: a client that takes nothing for half a minute is another matter.
    const end = async (): Promise<string> => {
      const text = (await serve(stub, callOf({}))).text();
      await inEngine(stub, async (fixture) => {
        while (fixture.hub.openStreams() > 0) {
          fixture.aheadMs += 1000;
          fixture.hub.tick();
          await turn();
        }
      });
      return text;
    };
    const silent = await end();
    expect(numbers(silent.split('data: {"error"')[0] ?? "")).toEqual([1]);
    const idle = { message: "the model has said nothing for 120 s", type: "server_error", param: null, code: "idle" };
    expect(errorIn(silent)).toEqual(idle);
    await inEngine(stub, ({ limits }) => void (limits.totalMs = 60_000));
    expect(errorIn(await end())).toMatchObject({ code: "too_long" });
    await until(() => agent.requests[1]?.reset?.code === "too_long");
    expect(agent.requests[0]?.reset?.code).toBe("idle");
    // Before the first byte it is an error, and no other agent is asked.
    const other = freshEngine();
    await connect(other, { chat: () => new Promise(() => undefined) });
    const refused = expect(serve(other, callOf({}))).rejects.toMatchObject({ code: "unavailable" });
    await inEngine(other, async (fixture) => {
      await until(() => fixture.hub.openStreams() === 1);
      for (let ms = 0; ms < LIMITS.idleMs; ms += 1000) {
        expect(fixture.hub.openStreams()).toBe(1);
        fixture.aheadMs += 1000;
        fixture.hub.tick();
        await turn();
      }
    });
    await refused;
  });

  it("ends with an error event, after whole events alone, when its agent's socket drops", async () => {
    const stub = freshEngine();
    const agent = await connect(stub, { chat: () => new Promise(() => undefined) });
    const pending = serve(stub, callOf({}));
    await until(() => agent.streams.size === 1);
    const [id = 0] = agent.streams.keys();
    const data = (text: string) => ({ type: "data" as const, stream: id, payload: new TextEncoder().encode(text) });
    const head = jsonFrame("head", id, { status: 200, content_type: "text/event-stream" });
    agent.send(head, data('data: {"n":0}\n'), data('\ndata: {"n":1}\n\ndata: {"n":'));
    const text = (await pending).text();
    agent.drop();
    expect(events(await text)).toHaveLength(3);
    expect(errorIn(await text)).toMatchObject({ type: "server_error", code: "agent_lost" });
    // The agent comes back, and the next request is answered.
    await connect(stub, { chat: counting }, "task1", 2);
    expect(numbers(await (await serve(stub, callOf({ count: 3 }))).text())).toEqual([0, 1, 2]);
    const { told } = await inEngine(stub, ({ told }) => ({ told }));
    expect(told).toEqual([
      ...["task1 serving", "task1 ready d1 ", "task1 gone"],
      ...["task1 serving", "task1 ready d1 "],
    ]);
  });
});

describe("sockets", () => {
  it("outlive an eviction, with what they have ready and fresh numbers of streams", async () => {
    const stub = freshEngine();
    const agent = await connect(stub, { chat: counting });
    expect(numbers(await (await serve(stub, callOf({ count: 2 }))).text())).toEqual([0, 1]);
    const before = Math.max(...(await seenStreams(agent, stub)));
    await evictDurableObject(stub);
    await inEngine(stub, ({ hub, told }) => {
      expect(hub.agents()).toMatchObject([{ taskId: "task1", epoch: 1, openStreams: 0 }]);
      expect(hub.isReady("d1")).toBe(true);
      expect(told).toEqual([]);
    });
    expect(numbers(await (await serve(stub, callOf({ count: 2 }))).text())).toEqual([0, 1]);
    expect(Math.min(...(await seenStreams(agent, stub)))).toBeGreaterThan(before);
    // A stream of an earlier life: what comes of it is answered by a reset, and nobody gets it.
    agent.send(jsonFrame("head", 999, { status: 200, content_type: "x" }), emptyFrame("data", 999));
    await until(() => agent.resets.length > 0);
    expect(agent.resets[0]).toEqual({ stream: 999, code: "unknown_stream" });
    expect(numbers(await (await serve(stub, callOf({ count: 2 }))).text())).toEqual([0, 1]);
  });

  it("of a newer epoch take the place of an older one, never the other way round", async () => {
    const stub = freshEngine();
    const old = await connect(stub, { chat: () => new Promise(() => undefined) }, "task1", 3);
    const pending = expect(serve(stub, callOf({}))).rejects.toMatchObject({ code: "unavailable" });
    await until(() => old.streams.size === 1);
    await connect(stub, { chat: counting }, "task1", 4);
    expect(await old.closed).toBe(1000);
    await pending;
    const stale = await inEngine(stub, ({ hub }) => {
      try {
        return hub.accept({ agentId: "x", taskId: "task1", epoch: 3 });
      } catch (error) {
        return (error as DomainError).code;
      }
    });
    expect(stale).toBe("stale_lease");
    await inEngine(stub, ({ hub }) => hub.drop("the engine ends"));
    expect(await inEngine(stub, ({ hub }) => hub.agents())).toEqual([]);
  });

  it("that send what is no frame, or more than they may, are closed or cut", async () => {
    const stub = freshEngine();
    for (const message of ["text", new Uint8Array([9, 9, 9]), new Uint8Array([1, 0, 0])]) {
      const agent = await connect(stub, {});
      agent.sendBytes(message);
      expect(await agent.closed).toBe(1002);
    }
    const agent = await connect(stub, { chat: () => new Promise(() => undefined) });
    const pending = serve(stub, callOf({}));
    await until(() => agent.streams.size === 1);
    const [id = 0] = agent.streams.keys();
    agent.send(jsonFrame("head", id, { status: 200, content_type: "text/event-stream" }));
    await pending;
    const payload = new Uint8Array(64 * 1024);
    for (let n = 0; n < 6; n++) agent.send({ type: "data", stream: id, payload });
    await until(() => agent.requests[0]?.reset?.code === "server_error");
  });

  it("tell who waits: ready, or what could not be loaded", async () => {
    const stub = freshEngine();
    const agent = await connect(stub, {});
    agent.failed("d2", "no space left");
    let isWaiting = false;
    const pending = inEngine(stub, async ({ hub }) => {
      await until(() => hub.loadFailure("d2") !== null);
      const [late, never, ended] = [hub.whenReady("d3", 60_000), hub.whenReady("d4", 0), hub.whenReady("d5", 60_000)];
      isWaiting = true;
      const answers = [await hub.whenReady("d1", 60_000), await late, await never];
      hub.tell({ type: "deployments_changed" });
      hub.drop("the engine ends");
      return [...answers, await ended, hub.loadFailure("d2")];
    });
    await until(() => isWaiting);
    agent.ready("d3", ["a", "b"]);
    expect(await pending).toEqual([true, true, false, false, null]);
    const { told } = await inEngine(stub, ({ told }) => ({ told }));
    expect(told).toContain("task1 failed d2 no space left");
    expect(told).toContain("task1 ready d3 a,b");
  });
});

describe("the object", () => {
  const entry = (n: number, more: Partial<InferenceLogEntry> = {}): InferenceLogEntry => ({
    ...{ id: `chatcmpl-${String(n)}`, deploymentId: "d1", endpoint: "chat", stream: n % 2 === 0, status: 200 },
    ...{ error: null, usage: { prompt_tokens: 2, completion_tokens: 3 }, firstByteMs: n, durationMs: 10 * n, atMs: n },
    ...more,
  });

  it("keeps the last requests as they were, and sums of all", () =>
    inFreshEngine(({ storage }) => {
      const log = new RequestLog(storage, 100);
      for (let n = 1; n <= 150; n++) log.add(entry(n));
      log.add(entry(151, { deploymentId: "d2", status: 503, error: "away", usage: null, firstByteMs: null }));
      const first = log.page("d1", { limit: 60 });
      expect(first.items[0]).toEqual(entry(150));
      expect(first.hasMore).toBe(true);
      const rest = log.page("d1", { limit: 60, after: first.items.at(-1)?.id ?? "" });
      expect([...first.items, ...rest.items].map(({ atMs }) => atMs)).toEqual(upTo(99).map((n) => 150 - n));
      expect(rest.hasMore).toBe(false);
      expect(log.metrics("d1")).toEqual({
        ...{ requests: 150, failed: 0, promptTokens: 300, completionTokens: 450 },
        ...{ p50FirstByteMs: 101, p95FirstByteMs: 146, p50DurationMs: 1010, p95DurationMs: 1460 },
      });
      expect(log.metrics("d2")).toMatchObject({ requests: 1, failed: 1, p50FirstByteMs: null, p50DurationMs: 1510 });
      expect(log.metrics("d3")).toMatchObject({ requests: 0, p95DurationMs: null });
    }));

  it("wakes its engine for a request, and says why when it does not come up", async () => {
    const stub = freshEngine();
    const asked = await inEngine(stub, async ({ hub, storage }) => {
      const log = new RequestLog(storage);
      const recorded: CallOutcome[] = [];
      const wakes: string[] = [];
      const engine = { problem: null as string | null };
      const requests = new ServeRequests({
        door: {
          wake: (reason) => Promise.resolve(wakes.push(reason)).then(() => engine as EngineRecord),
          settled: () => Promise.resolve(engine as EngineRecord),
          onActivity: () => undefined,
        },
        ...{ relay: hub, log, wakeWaitMs: 0, clock: { nowMs: () => 1000 }, later: (work) => void work },
        record: (_call, outcome) => Promise.resolve(void recorded.push(outcome)),
      });
      const served = (state: string, error: string | null) => ({ deployment: { state, error } }) as ServedModel;
      const store = { interaction: "i", environmentId: null, tags: [] };
      const refused = (more: Partial<RelayCall>) =>
        requests.serve({ ...callOf({}), served: served("live", null), ...more }).catch((error: unknown) => error);
      const comingUp = await refused({ store });
      engine.problem = "no space left on its machine";
      const failed = await refused({});
      const unloadable = await refused({ served: served("failed", "no such file") });
      const tooMuch = await refused({ body: new Uint8Array(MAX_HELD_BYTES + 1) });
      return { comingUp, failed, unloadable, tooMuch, wakes, recorded, logged: log.page("d1", { limit: 10 }).items };
    });
    expect(asked.comingUp).toMatchObject({ code: "unavailable", detail: { retryAfterSeconds: 10 } });
    expect(asked.failed).toMatchObject({ code: "unavailable", message: "no space left on its machine" });
    expect(asked.unloadable).toMatchObject({ message: "the model could not be loaded: no such file" });
    expect(asked.tooMuch).toMatchObject({ code: "rate_limited" });
    expect(asked.wakes).toEqual(["request", "request"]);
    expect(asked.logged.map(({ status }) => status)).toEqual([503, 503, 503]);
    expect(asked.recorded).toMatchObject([{ done: null, startedAtMs: 1000 }]);
  });
});

describe("the worker in front of the object", () => {
  const ids = { next: () => "01k0000000000000000000000", randomHex: () => "" };
  const served = { deployment: { id: "d1", taskType: "text-generation" }, engine: { id: "e" } } as ServedModel;
  const inferOf = (stub: Stub, body: Record<string, unknown>, stream = true) => {
    const engineDoors = { of: () => ({ serve: (call: RelayCall) => serve(stub, call) }) } as unknown as EngineDoors;
    const principal = { accountId: "a", projectId: "p", keyId: "k", scopes: [], lastUsedAtMs: null, userId: null };
    const request = { endpoint: "chat" as const, body, stream, model: "mine", idPrefix: "chatcmpl-", store: null };
    return infer({ engineDoors, ids, clock: { nowMs: () => 5000 } }, principal as never, served, request);
  };

  it("gives the answer the name that was asked for", async () => {
    const stub = freshEngine();
    await connect(stub, { chat: ({ body }) => ({ json: { id: "", created: 0, ...body } }) });
    const answer = { id: `chatcmpl-${ids.next()}`, model: "mine", created: 5, temperature: 1 };
    expect(await (await inferOf(stub, { temperature: 1 }, false)).json()).toEqual(answer);
    await expect(inferOf(stub, { pad: "x".repeat(9 * 2 ** 20) })).rejects.toMatchObject({ code: "payload_too_large" });
  });

  it("ends the request at the agent when its own client has left", async () => {
    const stub = freshEngine();
    const agent = await connect(stub, held());
    const response = await inferOf(stub, {});
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    await reader.cancel("the client has enough");
    await until(async () => {
      await inEngine(stub, (fixture) => {
        fixture.aheadMs += 5000;
        fixture.hub.tick();
      });
      return agent.resets.length > 0;
    });
    expect(agent.resets[0]?.code).toBe("client_gone");
  });

  it("tells a client in mid-stream that the object has died", async () => {
    const stub = freshEngine();
    const agent = await connect(stub, held());
    const response = await inferOf(stub, {});
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    let text = new TextDecoder().decode((await reader.read()).value);
    await stub.crash().catch(() => undefined);
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      text += new TextDecoder().decode(next.value);
    }
    expect(events(text)).toHaveLength(2);
    expect(errorIn(text)).toMatchObject({ type: "server_error", code: "interrupted" });
    // A crash takes the sockets with it; the agent comes back, and so does the service.
    await agent.closed;
    const next = env.RELAY_FIXTURE.getByName(`engine ${String(engines)}`);
    await connect(next, { chat: counting });
    expect(numbers(await (await inferOf(next, { count: 2 })).text())).toEqual([0, 1]);
  });
});

/** The numbers of streams that the agent is asked for, by one more request. */
async function seenStreams(agent: FrameAgent, stub: Stub): Promise<number[]> {
  const pending = serve(stub, callOf({ count: 60, bytes: 8 * 1024 }));
  await until(() => agent.streams.size > 0);
  const seen = [...agent.streams.keys()];
  await (await pending).text();
  return seen;
}
