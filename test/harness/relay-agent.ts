/**
 * An agent inside the test that serves: leases the serve task of an engine, connects to the engine's object, says that its
 * deployments are ready, and answers by handlers; without any, it repeats what it is asked.
 *
 *   const agent = await RelayAgent.serve(client);                       // after a deployment was made
 *   const agent = await RelayAgent.serve(client, { chat: () => ({ json: … }) });
 */
import { exports } from "cloudflare:workers";
import type { Endpoint, ServedDeployment } from "../../protocol";
import { FrameAgent, type Handlers, type RelayedRequest, type Reply } from "./frame-agent";
import { WorkerAgent, type WorkerLease } from "./worker-agent";
import { ask, WORKER_URL, type WorkerClient } from "./worker-client";

const SLOT = { id: "serve", kind: "gpu", gpus: [0], serve_bytes: 64 * 2 ** 30 };

export class RelayAgent {
  readonly agent: WorkerAgent;
  readonly lease: WorkerLease;
  readonly engineId: string;
  readonly #handlers: Handlers;
  #frames: FrameAgent | null = null;

  private constructor(agent: WorkerAgent, lease: WorkerLease, handlers: Handlers) {
    const engineId = lease.lease.spec.serve?.engine_id;
    if (engineId === undefined) throw new Error("the lease is of no serve task");
    this.agent = agent;
    this.lease = lease;
    this.engineId = engineId;
    this.#handlers = handlers;
  }

  /** All of it; resolves when the deployments that there are were told to be ready. */
  static async serve(client: WorkerClient, handlers: Handlers = ECHO): Promise<RelayAgent> {
    const relayed = await RelayAgent.leased(client, handlers);
    await relayed.lease.started(0);
    await relayed.connect();
    return relayed;
  }

  /** Only leased: the engine is on its way. */
  static async leased(client: WorkerClient, handlers: Handlers = ECHO): Promise<RelayAgent> {
    const agent = await WorkerAgent.register(client, SLOT);
    return new RelayAgent(agent, await agent.lease(), handlers);
  }

  /** What is on the socket. */
  get frames(): FrameAgent {
    if (this.#frames === null) throw new Error("the agent has not connected");
    return this.#frames;
  }

  get requests(): RelayedRequest[] {
    return this.frames.requests;
  }

  /** The socket, or another one after it was dropped. */
  async connect(): Promise<FrameAgent> {
    const socket = await this.open();
    this.#frames = new FrameAgent(socket, this.#handlers, () => void this.announce());
    await this.announce();
    return this.#frames;
  }

  /** The deployments as they are now are ready. */
  async announce(): Promise<void> {
    for (const { id, task } of await this.deployments()) {
      this.frames.ready(id, task === "classification" ? ["no", "yes"] : undefined);
    }
  }

  async deployments(): Promise<ServedDeployment[]> {
    const path = `/agent/v1/leases/${this.lease.lease.lease_id}/deployments`;
    const answer = await ask<{ deployments: ServedDeployment[] }>(path, { headers: this.agent.headers });
    if (answer.status !== 200) throw new Error(`${String(answer.status)}: ${JSON.stringify(answer.body)}`);
    return answer.body.deployments;
  }

  /** The upgrade as it is answered. */
  async upgrade(leaseId = this.lease.lease.lease_id): Promise<Response> {
    const url = new URL(`/agent/v1/engines/${this.engineId}/connect?shard=0&lease=${leaseId}`, WORKER_URL);
    const headers = { ...this.agent.headers, upgrade: "websocket" };
    return exports.default.fetch(new Request(url, { headers }));
  }

  private async open(): Promise<WebSocket> {
    const response = await this.upgrade();
    if (response.webSocket === null) throw new Error(`no socket: ${String(response.status)} ${await response.text()}`);
    return response.webSocket;
  }
}

/** Repeats the last thing it was told, word by word where that is asked for. */
export const ECHO = {
  chat: ({ open, body }: RelayedRequest): Reply => {
    const messages = body["messages"] as { content: unknown }[];
    const text = textOf(messages.at(-1)?.content);
    const base = { id: "x", created: 0, model: "x" };
    if (!open.stream) {
      const choice = { index: 0, message: { role: "assistant", content: text }, finish_reason: "stop" };
      return {
        json: { ...base, object: "chat.completion", choices: [choice], usage: openaiUsage(text) },
        ...ended(text),
      };
    }
    const piece = (delta: object, finish_reason: string | null) => {
      return { ...base, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason }] };
    };
    const words = text.split(/(?<= )/).map((content) => piece({ content }, null));
    return { events: [piece({ role: "assistant", content: "" }, null), ...words, piece({}, "stop")], ...ended(text) };
  },
  completions: ({ open, body }: RelayedRequest): Reply => {
    const prompt = body["prompt"];
    const text = textOf(Array.isArray(prompt) ? prompt[0] : prompt);
    const base = { id: "x", created: 0, model: "x", object: "text_completion" };
    if (!open.stream) {
      const choice = { index: 0, text, finish_reason: "stop", logprobs: null };
      return { json: { ...base, choices: [choice], usage: openaiUsage(text) }, ...ended(text) };
    }
    const words = text
      .split(/(?<= )/)
      .map((word) => ({ ...base, choices: [{ index: 0, text: word, finish_reason: null }] }));
    return {
      events: [...words, { ...base, choices: [{ index: 0, text: "", finish_reason: "stop" }] }],
      ...ended(text),
    };
  },
  embeddings: ({ body }: RelayedRequest): Reply => {
    const inputs = Array.isArray(body["input"]) ? (body["input"] as unknown[]) : [body["input"]];
    const data = inputs.map((input, index) => {
      const vector = new Float32Array([textOf(input).length, 1, 0.5]);
      const base64 = Buffer.from(vector.buffer).toString("base64");
      return { object: "embedding", index, embedding: body["encoding_format"] === "base64" ? base64 : [...vector] };
    });
    const usage = { prompt_tokens: inputs.length, total_tokens: inputs.length };
    return {
      json: { object: "list", data, model: "x", usage },
      usage: { prompt_tokens: inputs.length, completion_tokens: 0 },
    };
  },
  classification: (): Reply => {
    const scores = { logits: { no: -1, yes: 1 }, probs: { no: 0.25, yes: 0.75 } };
    const usage = { prompt_tokens: 3, total_tokens: 3 };
    return {
      json: { data: [{ index: 0, ...scores }], model: "x", usage },
      usage: { prompt_tokens: 3, completion_tokens: 0 },
    };
  },
  regression: (): Reply => {
    const usage = { prompt_tokens: 3, total_tokens: 3 };
    return {
      json: { data: [{ index: 0, value: 0.5 }], model: "x", usage },
      usage: { prompt_tokens: 3, completion_tokens: 0 },
    };
  },
} satisfies Record<Endpoint, (request: RelayedRequest) => Reply>;

function textOf(content: unknown): string {
  return typeof content === "string" ? content : JSON.stringify(content);
}

function ended(output: string) {
  return { usage: { prompt_tokens: 3, completion_tokens: output.split(" ").length }, finish_reason: "stop", output };
}

function openaiUsage(text: string) {
  const completion = text.split(" ").length;
  return { prompt_tokens: 3, completion_tokens: completion, total_tokens: 3 + completion };
}
