/** One agent's socket, with the streams on it. */
import { z } from "zod";
import { type EngineStatus, type Frame, jsonFrame } from "../../protocol";
import type { Clock, ServingAgent } from "../domain/ports";
import type { Scheduler } from "../domain/scheduler";
import { Outbox } from "./outbox";
import type { RelayStream } from "./relay-stream";

/** What a socket says of itself, over hibernation. */
const attachment = z.object({ id: z.string(), agentId: z.string(), taskId: z.string(), epoch: z.int() });
type Attachment = z.infer<typeof attachment>;

export function attachmentOf(socket: WebSocket): Attachment {
  return attachment.parse(socket.deserializeAttachment());
}

export interface ConnectionParts {
  socket: WebSocket;
  attachment: Attachment;
  ready: Set<string>;
  clock: Clock;
  scheduler: Scheduler;
}

export class AgentConnection {
  readonly id: string;
  readonly agent: ServingAgent;
  /** Deployments that it has loaded. */
  readonly ready: Set<string>;
  readonly streams = new Map<number, RelayStream>();
  /** Why it is asked no more: it goes when the last of its streams has ended. */
  retired: string | null = null;
  /** Among equals, whoever was asked longest ago is next. */
  askedAt = 0;
  readonly #socket: WebSocket;
  readonly #outbox: Outbox;

  constructor({ socket, attachment, ready, clock, scheduler }: ConnectionParts) {
    const { id, ...agent } = attachment;
    this.id = id;
    this.agent = agent;
    this.ready = ready;
    this.#socket = socket;
    // A socket that is not open any more loses what is sent; its end, which comes next, says so to the streams.
    this.#outbox = new Outbox(
      (message) => {
        if (socket.readyState === WebSocket.OPEN) socket.send(message);
      },
      clock,
      scheduler,
    );
  }

  send(...frames: Frame[]): void {
    this.#outbox.add(frames);
  }

  tell(news: EngineStatus): void {
    this.send(jsonFrame("status", 0, news));
  }

  /** A frame of a stream; one that nobody knows any more is told so, if there is more to come of it. */
  onStreamFrame(frame: Frame): void {
    const stream = this.streams.get(frame.stream);
    if (stream !== undefined) return stream.onFrame(frame);
    if (frame.type !== "head" && frame.type !== "data") return;
    const message = "the request is not known any more";
    this.send(jsonFrame("reset", frame.stream, { code: "unknown_stream", message }));
  }

  /** Each open stream ends at once. */
  lose(): void {
    for (const stream of [...this.streams.values()]) stream.lost();
  }

  close(code: number, why: string): void {
    if (this.#socket.readyState !== WebSocket.CLOSED) this.#socket.close(code, why);
  }
}
