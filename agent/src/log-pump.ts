/**
 * The trainer's stdout and stderr into the logs lane: lines of at most 16 KiB, colours kept, bytes that are no UTF-8
 * replaced. The pipes are always read, however much comes: what the quota or the disk does not admit is dropped and
 * counted.
 */
import type { Readable } from "node:stream";
import type { DataItem, LogLine } from "../../protocol";
import type { Clock } from "./clock";
import type { LogQuota } from "./log-quota";
import { LineSplitter, type Piece } from "./split-lines";
import { chunksOf } from "./trainer-process";

const MAX_LINE_BYTES = 16_384;
/** What a failed job shows of its end, kept whatever the quota says. */
const TAIL_LINES = 20;
const TAIL_LINE_CHARACTERS = 2_000;

export interface LogSink {
  /** Whether a line would be taken at once; one that is not is left out, so that no trainer waits for its own logs. */
  hasRoom(): boolean;
  log(line: LogLine): Promise<unknown>;
  notice(item: DataItem): Promise<unknown>;
}

export class LogPump {
  private tail: Buffer[] = [];

  constructor(
    private readonly quota: LogQuota,
    private readonly sink: LogSink,
    private readonly clock: Clock,
  ) {}

  /** Reads to the stream's end. */
  async run(stream: Readable, name: "stdout" | "stderr"): Promise<void> {
    const splitter = new LineSplitter(MAX_LINE_BYTES);
    for await (const chunk of chunksOf(stream)) {
      for (const piece of splitter.push(chunk)) await this.take(piece, name);
      await this.tell(false);
    }
    for (const piece of splitter.end()) await this.take(piece, name);
  }

  /** A line of the agent's own, under the same quota. */
  async say(text: string): Promise<void> {
    const line = text.slice(0, MAX_LINE_BYTES);
    if (this.admits(Buffer.byteLength(line))) {
      await this.sink.log({ ts_ms: this.clock.now(), stream: "agent", line });
    }
  }

  /** The last count of what was dropped. */
  finish(): Promise<void> {
    return this.tell(true);
  }

  lastLines(): string[] {
    return this.tail.map((bytes) => decode(bytes).slice(0, TAIL_LINE_CHARACTERS));
  }

  private take({ bytes }: Piece, stream: "stdout" | "stderr"): Promise<unknown> | undefined {
    this.tail.push(bytes);
    if (this.tail.length > TAIL_LINES) this.tail.shift();
    if (!this.admits(bytes.length + 1)) return undefined;
    return this.sink.log({ ts_ms: this.clock.now(), stream, line: decode(bytes) });
  }

  private admits(bytes: number): boolean {
    if (this.sink.hasRoom()) return this.quota.admits(bytes);
    this.quota.leaveOut(bytes);
    return false;
  }

  private async tell(isLast: boolean): Promise<void> {
    const message = this.quota.takeNotice(isLast);
    if (message !== null) await this.sink.notice({ type: "notice", ts_ms: this.clock.now(), message });
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: false });

function decode(bytes: Buffer): string {
  const text = decoder.decode(bytes);
  return text.endsWith("\r") ? text.slice(0, -1) : text;
}
