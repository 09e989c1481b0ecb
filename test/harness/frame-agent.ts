/**
 * The agent's end of a relay's socket, inside workerd: takes requests in, answers them by handlers, within the credit that
 * it has. What it holds of each stream is open to tests.
 */
import {
  type Endpoint,
  type Frame,
  type RelayOpen,
  type ServingStatus,
  type Usage,
  creditFrame,
  creditOf,
  decodeFrames,
  encodeFrame,
  jsonFrame,
  jsonOf,
  pieces,
  relayOpen,
  STREAM_CREDIT_BYTES,
} from "../../protocol";
import { joined } from "../../worker/domain/event-stream";

export interface RelayedRequest {
  open: RelayOpen;
  body: Record<string, unknown>;
  /** Why the worker gave it up; null while it has not. */
  reset: { code: string; message: string } | null;
  /** Resolves with `reset`. */
  gone: Promise<{ code: string; message: string }>;
}

interface Ending {
  usage?: Usage;
  finish_reason?: string;
  output?: string;
}
/** A whole answer, an answer in pieces that ends with `[DONE]`, or none. */
export type Reply =
  | ({ status?: number; json: unknown } & Ending)
  | ({ events: Iterable<unknown> | AsyncIterable<unknown> } & Ending)
  | { reset: { code: string; message: string } };
export type Handlers = Partial<Record<Endpoint, (request: RelayedRequest) => Reply | Promise<Reply>>>;

class AgentStream {
  readonly request: RelayedRequest;
  readonly body: Uint8Array[] = [];
  credit = STREAM_CREDIT_BYTES;
  #granted: () => void = () => undefined;
  #tellGone: (reset: { code: string; message: string }) => void = () => undefined;

  constructor(open: RelayOpen) {
    const gone = new Promise<{ code: string; message: string }>((resolve) => (this.#tellGone = resolve));
    this.request = { open, body: {}, reset: null, gone };
  }

  grant(bytes: number): void {
    this.credit += bytes;
    this.#granted();
  }

  reset(reset: { code: string; message: string }): void {
    this.request.reset = reset;
    this.#tellGone(reset);
    this.#granted();
  }

  /** False when the worker does not want it any more. */
  async hasCredit(): Promise<boolean> {
    while (this.credit <= 0 && this.request.reset === null) {
      await new Promise<void>((resolve) => (this.#granted = resolve));
    }
    return this.request.reset === null;
  }
}

export class FrameAgent {
  readonly streams = new Map<number, AgentStream>();
  /** Of every request, in the order in which they came. */
  readonly requests: RelayedRequest[] = [];
  /** Of streams, known or not, in the order in which they came. */
  readonly resets: { stream: number; code: string }[] = [];
  /** Messages of the socket, both ways. */
  messagesIn = 0;
  messagesOut = 0;
  /** Resolves when the socket is closed from the other side, with its code. */
  readonly closed: Promise<number>;
  readonly #socket: WebSocket;
  readonly #handlers: Handlers;
  readonly #onChanged: () => void;

  constructor(socket: WebSocket, handlers: Handlers, onChanged: () => void = () => undefined) {
    this.#socket = socket;
    this.#handlers = handlers;
    this.#onChanged = onChanged;
    socket.binaryType = "arraybuffer";
    this.closed = new Promise((resolve) => socket.addEventListener("close", ({ code }) => resolve(code)));
    socket.addEventListener("message", ({ data }) => this.#onMessage(new Uint8Array(data as ArrayBuffer)));
    socket.binaryType = "arraybuffer";
    socket.accept();
    this.status({ type: "serving", max_active: 16, max_queue: 64 });
  }

  ready(deploymentId: string, labels?: string[]): void {
    const told = labels === undefined ? {} : { labels };
    this.status({ type: "deployment", id: deploymentId, state: "ready", ...told });
  }

  failed(deploymentId: string, message: string): void {
    this.status({ type: "deployment", id: deploymentId, state: "failed", message });
  }

  status(status: ServingStatus): void {
    this.send(jsonFrame("status", 0, status));
  }

  send(...frames: Frame[]): void {
    this.sendBytes(joined(frames.map(encodeFrame)));
  }

  sendBytes(bytes: Uint8Array | string): void {
    this.messagesOut += 1;
    this.#socket.send(bytes);
  }

  /** The socket drops, from this side. */
  drop(): void {
    this.#socket.close(1000, "dropped");
  }

  #onMessage(message: Uint8Array): void {
    this.messagesIn += 1;
    for (const frame of decodeFrames(message)) this.#onFrame(frame);
  }

  #onFrame(frame: Frame): void {
    if (frame.type === "status") return this.#onChanged();
    if (frame.type === "open") {
      const stream = new AgentStream(relayOpen.parse(jsonOf(frame)));
      this.streams.set(frame.stream, stream);
      this.requests.push(stream.request);
      return;
    }
    if (frame.type === "reset") {
      this.resets.push({ stream: frame.stream, code: (jsonOf(frame) as { code: string }).code });
    }
    const stream = this.streams.get(frame.stream);
    if (stream === undefined) return;
    if (frame.type === "body") {
      stream.body.push(frame.payload);
      this.send(creditFrame(frame.stream, frame.payload.byteLength));
    } else if (frame.type === "credit") stream.grant(creditOf(frame));
    else if (frame.type === "reset") {
      stream.reset(jsonOf(frame) as { code: string; message: string });
      this.streams.delete(frame.stream);
    } else if (frame.type === "end") void this.#answer(frame.stream, stream);
  }

  async #answer(id: number, stream: AgentStream): Promise<void> {
    stream.request.body = JSON.parse(new TextDecoder().decode(joined(stream.body))) as Record<string, unknown>;
    const { open } = stream.request;
    const handler = this.#handlers[open.endpoint];
    if (handler === undefined) throw new Error(`this agent of the test does not answer ${open.endpoint}`);
    const reply = await handler(stream.request);
    if (stream.request.reset !== null) return;
    if ("reset" in reply) this.send(jsonFrame("reset", id, reply.reset));
    else if ("json" in reply) await this.#sendWhole(id, stream, reply);
    else await this.#sendEvents(id, stream, reply);
    this.streams.delete(id);
  }

  async #sendWhole(id: number, stream: AgentStream, reply: { status?: number; json: unknown } & Ending): Promise<void> {
    const { status = 200, json } = reply;
    this.send(jsonFrame("head", id, { status, content_type: "application/json" }));
    await this.#sendData(id, stream, JSON.stringify(status < 400 ? answered(json, stream.request.open) : json));
    if (stream.request.reset === null) this.#done(id, reply);
  }

  async #sendEvents(
    id: number,
    stream: AgentStream,
    reply: { events: Iterable<unknown> | AsyncIterable<unknown> } & Ending,
  ): Promise<void> {
    this.send(jsonFrame("head", id, { status: 200, content_type: "text/event-stream; charset=utf-8" }));
    for await (const event of reply.events) {
      const text = `data: ${JSON.stringify(answered(event, stream.request.open))}\n\n`;
      if (!(await this.#sendData(id, stream, text))) return;
    }
    if (await this.#sendData(id, stream, "data: [DONE]\n\n")) this.#done(id, reply);
  }

  async #sendData(id: number, stream: AgentStream, text: string): Promise<boolean> {
    for (const piece of pieces(new TextEncoder().encode(text))) {
      for (let at = 0; at < piece.byteLength;) {
        if (!(await stream.hasCredit())) return false;
        const payload = piece.subarray(at, at + stream.credit);
        stream.credit -= payload.byteLength;
        at += payload.byteLength;
        this.send({ type: "data", stream: id, payload });
      }
    }
    return stream.request.reset === null;
  }

  #done(id: number, { usage = { prompt_tokens: 3, completion_tokens: 5 }, finish_reason, output }: Ending): void {
    const done = { usage, finish_reason: finish_reason ?? "stop", ...(output === undefined ? {} : { output }) };
    this.send(jsonFrame("done", id, done));
  }
}

/** As the real agent does: what the model server calls itself is not what the client asked for. */
function answered(json: unknown, { answer }: RelayOpen): unknown {
  if (typeof json !== "object" || json === null) return json;
  const { created, ...rest } = json as Record<string, unknown>;
  return {
    ...(created === undefined ? {} : { created: answer.created }),
    ...rest,
    ...{ id: answer.id, model: answer.model },
  };
}
