/**
 * The object's side of an agent's engine socket, over a real connection: it opens streams, gives credit as it reads, and
 * keeps all that comes. For tests of the agent alone.
 */
import type { Duplex } from "node:stream";
import {
  creditFrame,
  decodeFrames,
  emptyFrame,
  encodeFrame,
  jsonFrame,
  jsonOf,
  pieces,
  relayDone,
  relayHead,
  relayReset,
  servingStatus,
  type Frame,
  type RelayDone,
  type RelayHead,
  type RelayOpen,
  type RelayReset,
  type ServingStatus,
} from "../../protocol";

export class PeerStream {
  head: RelayHead | null = null;
  done: RelayDone | null = null;
  reset: RelayReset | null = null;
  bytes = 0;
  private readonly chunks: Buffer[] = [];

  constructor(
    readonly id: number,
    private readonly peer: EngineSocketPeer,
    /** Credit is given back as data comes. */
    readonly reads: boolean,
  ) {}

  get isOver(): boolean {
    return this.done !== null || this.reset !== null;
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString("utf8");
  }

  /** The events of a streamed answer. */
  get events(): Record<string, unknown>[] {
    const events = this.text.split("\n\n").filter((event) => event !== "" && event !== "data: [DONE]");
    return events.map((event) => JSON.parse(event.slice("data: ".length)) as Record<string, unknown>);
  }

  give(bytes: number): void {
    this.peer.send(creditFrame(this.id, bytes));
  }

  leave(code = "client_gone"): void {
    this.peer.send(jsonFrame("reset", this.id, { code, message: "as the test asked" }));
  }

  take(frame: Frame): void {
    if (this.isOver) throw new Error(`stream ${this.id}: a ${frame.type} after its end`);
    if (frame.type === "head") this.head = relayHead.strict().parse(jsonOf(frame));
    if (frame.type === "done") this.done = relayDone.strict().parse(jsonOf(frame));
    if (frame.type === "reset") this.reset = relayReset.strict().parse(jsonOf(frame));
    if (frame.type !== "data") return;
    if (!this.head) throw new Error(`stream ${this.id}: data before its head`);
    this.chunks.push(Buffer.from(frame.payload));
    this.bytes += frame.payload.byteLength;
    if (this.reads) this.give(frame.payload.byteLength);
  }
}

export class EngineSocketPeer {
  readonly statuses: ServingStatus[] = [];
  readonly streams = new Map<number, PeerStream>();
  /** How many frames each message had. */
  readonly messages: number[] = [];
  bodyCredit = 0;
  private rest = Buffer.alloc(0);
  private lastStream = 0;

  constructor(
    /** Path and query of the handshake. */
    readonly url: string,
    private readonly socket: Duplex,
    private readonly onViolation: (what: string) => void,
  ) {
    socket.on("data", (chunk: Buffer) => this.read(chunk));
  }

  send(...frames: Frame[]): void {
    this.write(2, Buffer.concat(frames.map(encodeFrame)));
  }

  /** A request of a deployment; `prompt` is what the scripted server does. */
  ask(deploymentId: string, prompt: unknown, changes: Partial<RelayOpen> & { reads?: boolean } = {}): PeerStream {
    const { reads = true, ...open } = changes;
    const script = JSON.stringify(prompt);
    const isChat = (open.endpoint ?? "chat") === "chat";
    return this.open(deploymentId, isChat ? { messages: [{ content: script }] } : { prompt: script }, open, reads);
  }

  open(deploymentId: string, body: unknown, changes: Partial<RelayOpen> = {}, reads = true): PeerStream {
    this.lastStream += 1;
    const stream = new PeerStream(this.lastStream, this, reads);
    this.streams.set(stream.id, stream);
    const open: RelayOpen = {
      deployment_id: deploymentId,
      endpoint: "chat",
      stream: false,
      answer: { id: `chatcmpl-${stream.id}`, model: "my-model", created: 1234 },
      idle_ms: 60_000,
      total_ms: 60_000,
      wants_output: false,
      ...changes,
    };
    const bytes = Buffer.from(JSON.stringify(body));
    const frames = [...pieces(bytes)].map((payload): Frame => ({ type: "body", stream: stream.id, payload }));
    for (const frame of [jsonFrame("open", stream.id, open), ...frames, emptyFrame("end", stream.id)]) this.send(frame);
    return stream;
  }

  /** States of a deployment, in the order in which they were told. */
  states(id: string): string[] {
    return this.statuses.flatMap((status) => (status.type === "deployment" && status.id === id ? [status.state] : []));
  }

  drop(): void {
    this.socket.destroy();
  }

  private read(chunk: Buffer): void {
    this.rest = Buffer.concat([this.rest, chunk]);
    for (let message = this.nextMessage(); message; message = this.nextMessage()) {
      if (message.opcode === 9) this.write(10, message.payload);
      if (message.opcode === 8) this.socket.end();
      if (message.opcode === 2) this.receive(message.payload);
    }
  }

  private receive(message: Buffer): void {
    try {
      const frames = [...decodeFrames(message)];
      this.messages.push(frames.length);
      for (const frame of frames) this.take(frame);
    } catch (error) {
      this.onViolation(String(error));
    }
  }

  private take(frame: Frame): void {
    if (frame.type === "status") this.statuses.push(servingStatus.parse(jsonOf(frame)));
    else if (frame.type === "credit") this.bodyCredit += 1;
    else this.streams.get(frame.stream)?.take(frame);
  }

  /** One whole message of a client, which is masked and, from undici, in one piece. */
  private nextMessage(): { opcode: number; payload: Buffer } | null {
    const { rest } = this;
    if (rest.length < 2) return null;
    const short = (rest[1] ?? 0) & 0x7f;
    const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
    if (rest.length < 2 + extended) return null;
    const length = short === 126 ? rest.readUInt16BE(2) : short === 127 ? Number(rest.readBigUInt64BE(2)) : short;
    const begin = 2 + extended + 4;
    if (rest.length < begin + length) return null;
    const mask = rest.subarray(begin - 4, begin);
    const payload = Buffer.from(rest.subarray(begin, begin + length));
    for (let at = 0; at < length; at += 1) payload[at] = (payload[at] ?? 0) ^ (mask[at % 4] ?? 0);
    this.rest = rest.subarray(begin + length);
    return { opcode: (rest[0] ?? 0) & 0x0f, payload };
  }

  private write(opcode: number, payload: Uint8Array): void {
    const header = Buffer.alloc(payload.length < 126 ? 2 : payload.length < 65536 ? 4 : 10);
    header[0] = 0x80 | opcode;
    header[1] = payload.length < 126 ? payload.length : payload.length < 65536 ? 126 : 127;
    if (header.length === 4) header.writeUInt16BE(payload.length, 2);
    if (header.length === 10) header.writeBigUInt64BE(BigInt(payload.length), 2);
    this.socket.write(Buffer.concat([header, payload]));
  }
}
