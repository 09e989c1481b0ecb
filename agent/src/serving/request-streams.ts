/** All requests on an engine's socket, by the numbers that the object gives them. */
import { jsonFrame, jsonOf, relayOpen, type Frame } from "../../../protocol";
import { Waker } from "../waker";
import { RequestStream, type StreamDeps } from "./request-stream";
import { StreamEnd } from "./stream-end";

export interface StreamsDeps extends StreamDeps {
  /** More than this at once is refused: what the model server works on and what may wait for it. */
  readonly maxStreams: () => number;
}

export class RequestStreams {
  private readonly streams = new Map<number, RequestStream>();
  private readonly ended = new Waker();
  private isDraining = false;
  /** How many have got a whole answer. */
  answered = 0;

  constructor(private readonly deps: StreamsDeps) {}

  receive(frame: Frame): void {
    if (frame.type === "open") this.open(frame);
    // Frames of a stream that is over were under way when it ended.
    else this.streams.get(frame.stream)?.receive(frame);
  }

  /** The socket is gone, and whoever waited for these answers knows it. */
  socketGone(): void {
    for (const stream of this.streams.values()) stream.endSilently("the socket is gone");
    this.streams.clear();
  }

  endAll(end: StreamEnd): void {
    for (const stream of this.streams.values()) stream.end(end);
  }

  /** No more are taken; resolves when those that are open have ended. */
  async drain(): Promise<void> {
    this.isDraining = true;
    while (this.streams.size > 0) await this.ended.wait();
  }

  private open(frame: Frame): void {
    const { stream: id } = frame;
    // An object that was evicted counts from the start again, and has forgotten this one.
    this.streams.get(id)?.endSilently("its number was given to another");
    const refusal = this.refusal();
    if (refusal) {
      this.streams.delete(id);
      this.deps.send(jsonFrame("reset", id, { code: refusal.code, message: refusal.message }));
      return;
    }
    const stream = new RequestStream(id, relayOpen.parse(jsonOf(frame)), this.deps);
    this.streams.set(id, stream);
    void stream.run().then((isAnswered) => {
      if (isAnswered) this.answered += 1;
      if (this.streams.get(id) === stream) this.streams.delete(id);
      this.ended.wake();
    });
  }

  private refusal(): StreamEnd | null {
    if (this.isDraining) return new StreamEnd("draining", "the agent is being stopped");
    if (this.streams.size < this.deps.maxStreams()) return null;
    return new StreamEnd("queue_full", "the agent has as many requests as it can take");
  }
}
