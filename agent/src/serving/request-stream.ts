/**
 * One request on an engine's socket: its body is gathered, asked of the model server, and the answer sent as far as
 * credit goes, so that a slow client slows the reading here and not the memory. It ends with `done`, or with `reset`.
 */
import type { Dispatcher } from "undici";
import {
  creditFrame,
  creditOf,
  jsonFrame,
  jsonOf,
  MAX_FRAME_PAYLOAD_BYTES,
  MAX_RELAY_BODY_BYTES,
  relayReset,
  STREAM_CREDIT_BYTES,
  type Frame,
  type RelayHead,
  type RelayOpen,
} from "../../../protocol";
import type { Clock } from "../clock";
import { describeError } from "../log";
import { untilAborted } from "../until-aborted";
import { AnswerRecord } from "./answer-record";
import { Credit } from "./credit";
import { isJson, jsonObject, type Json } from "./json";
import type { ModelServer } from "./model-server";
import { errorMessage, requestBody, streamedAnswer, wantsUsage, wholeAnswer } from "./rewrite-answer";
import { StreamEnd } from "./stream-end";

/** An error body has to fit one frame. */
const MAX_ERROR_CHARACTERS = 8_000;
/** Credit for less would cost messages for nothing: most requests are smaller than what they may send at first. */
const GRANT_BYTES = STREAM_CREDIT_BYTES / 8;
/** The protocol's bound. */
const MAX_RESET_CHARACTERS = 2_000;

export interface StreamDeps {
  readonly clock: Clock;
  readonly send: (frame: Frame) => void;
  /** null: the model is not loaded here. */
  readonly serverOf: (deploymentId: string) => ModelServer | null;
}

export class RequestStream {
  private readonly over = new AbortController();
  private readonly credit: Credit;
  private readonly pieces: Uint8Array[] = [];
  private bodyBytes = 0;
  private ungrantedBytes = 0;
  private bodyEnds: () => void = () => undefined;
  private readonly bodyEnded = new Promise<void>((resolve) => (this.bodyEnds = resolve));
  private heardAtMs: number;
  private isSending = false;

  constructor(
    private readonly id: number,
    private readonly open: RelayOpen,
    private readonly deps: StreamDeps,
  ) {
    this.credit = new Credit(deps.clock);
    this.heardAtMs = deps.clock.now();
  }

  receive(frame: Frame): void {
    if (frame.type === "credit") this.credit.grant(creditOf(frame));
    if (frame.type === "body") this.takeBody(frame.payload);
    if (frame.type === "end") this.bodyEnds();
    if (frame.type === "reset") {
      const { code, message } = relayReset.parse(jsonOf(frame));
      this.endSilently(`${code}: ${message}`);
    }
  }

  /** Ends it with a reset of this code. */
  end(end: StreamEnd): void {
    this.over.abort(end);
  }

  /** The other side is gone, or has ended it. */
  endSilently(why: string): void {
    this.over.abort(new Error(why));
  }

  /** Whether the answer was whole. Whatever goes wrong is told to the other side. */
  async run(): Promise<boolean> {
    const { signal } = this.over;
    void this.watch();
    try {
      await Promise.race([this.bodyEnded, untilAborted(signal)]);
      signal.throwIfAborted();
      const record = new AnswerRecord(this.open.wants_output);
      await this.answer(record);
      signal.throwIfAborted();
      this.deps.send(jsonFrame("done", this.id, record.done()));
      return true;
    } catch (error) {
      const cause: unknown = signal.aborted ? signal.reason : error;
      if (cause instanceof StreamEnd) this.reset(cause);
      else if (!signal.aborted) this.reset(new StreamEnd(...serverTrouble(cause)));
      return false;
    } finally {
      this.over.abort(new Error("over"));
    }
  }

  private takeBody(payload: Uint8Array): void {
    this.heardAtMs = this.deps.clock.now();
    this.bodyBytes += payload.byteLength;
    if (this.bodyBytes > MAX_RELAY_BODY_BYTES) {
      this.end(new StreamEnd("server_error", `the request has over ${MAX_RELAY_BODY_BYTES} bytes`));
      return;
    }
    this.pieces.push(payload.slice());
    this.ungrantedBytes += payload.byteLength;
    if (this.ungrantedBytes < GRANT_BYTES) return;
    this.deps.send(creditFrame(this.id, this.ungrantedBytes));
    this.ungrantedBytes = 0;
  }

  /** Keeps the time limits. Time in which the client takes nothing is not the model server's (credit.ts bounds it). */
  private async watch(): Promise<void> {
    const { clock } = this.deps;
    const { idle_ms: idleMs, total_ms: totalMs } = this.open;
    const endAtMs = clock.now() + totalMs;
    for (;;) {
      if (this.isSending) this.heardAtMs = clock.now();
      const idleAtMs = this.heardAtMs + idleMs;
      const leftMs = Math.min(idleAtMs, endAtMs) - clock.now();
      if (this.over.signal.aborted) return;
      if (leftMs > 0) await clock.sleep(leftMs, this.over.signal);
      else if (endAtMs <= idleAtMs) this.end(new StreamEnd("too_long", `the answer took over ${totalMs} ms`));
      else this.end(new StreamEnd("idle", `nothing came from the model for ${idleMs} ms`));
    }
  }

  private async answer(record: AnswerRecord): Promise<void> {
    const { open } = this;
    const body = this.parsedBody();
    const server = this.deps.serverOf(open.deployment_id);
    if (!server) throw new StreamEnd("not_loaded", "the model is not loaded on this agent");
    const response = await server.ask(open.endpoint, open.deployment_id, requestBody(body, open), this.over.signal);
    this.heardAtMs = this.deps.clock.now();
    if (response.statusCode >= 400) return this.refuse(response);
    const chunks = this.heard(response.body);
    if (open.stream) {
      this.head({ status: 200, content_type: "text/event-stream" });
      for await (const event of streamedAnswer(chunks, open, record, wantsUsage(body))) await this.data(event);
      return;
    }
    const answer = await wholeAnswer(chunks, open, record);
    this.head({ status: 200, content_type: "application/json" });
    await this.data(answer);
  }

  private parsedBody(): Json {
    const body = jsonObject(Buffer.concat(this.pieces).toString("utf8"));
    this.pieces.length = 0;
    if (!body) throw new StreamEnd("server_error", "the request's body is not a JSON object");
    return body;
  }

  /** What the client did wrong is its answer; all else is not for it. */
  private async refuse({ statusCode: status, body }: Dispatcher.ResponseData): Promise<void> {
    const said = jsonObject(await body.text()) ?? {}; // Where it is not the protocol's error, its status says enough.
    const message = errorMessage(said);
    if (status === 429) throw new StreamEnd("queue_full", message);
    if (status === 404) throw new StreamEnd("not_loaded", message);
    if (status >= 500 || status === 401 || status === 403) throw new StreamEnd("server_error", message);
    const { param, code } = isJson(said["error"]) ? said["error"] : said;
    const error = {
      message: message.slice(0, MAX_ERROR_CHARACTERS),
      ...(typeof param === "string" && { param: param.slice(0, 200) }),
      ...(typeof code === "string" && { code: code.slice(0, 200) }),
    };
    this.head({ status, content_type: "application/json" });
    await this.data(JSON.stringify({ error }));
  }

  private async *heard(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      this.heardAtMs = this.deps.clock.now();
      yield chunk;
    }
  }

  private head(head: RelayHead): void {
    this.deps.send(jsonFrame("head", this.id, head));
  }

  private async data(text: string): Promise<void> {
    const bytes = Buffer.from(text);
    this.isSending = true;
    for (let at = 0; at < bytes.length;) {
      const wanted = Math.min(bytes.length - at, MAX_FRAME_PAYLOAD_BYTES);
      const taken = await this.credit.take(wanted, this.over.signal);
      this.deps.send({ type: "data", stream: this.id, payload: bytes.subarray(at, at + taken) });
      at += taken;
    }
    this.isSending = false;
    this.heardAtMs = this.deps.clock.now();
  }

  private reset({ code, message }: StreamEnd): void {
    const bounded = message.slice(0, MAX_RESET_CHARACTERS);
    this.deps.send(jsonFrame("reset", this.id, { code, message: bounded }));
  }
}

/** Where nobody listens the server has just ended, and has heard nothing of the request: another agent may have it. */
function serverTrouble(error: unknown): ConstructorParameters<typeof StreamEnd> {
  const isRefused = (error as NodeJS.ErrnoException | null)?.code === "ECONNREFUSED";
  return [isRefused ? "not_loaded" : "server_error", `the model server does not answer: ${describeError(error)}`];
}
