/**
 * One request on one agent: what is sent of it, what comes back, and how it ends. It ends once, whoever ends it: the agent
 * (`done`, or a reset), the socket's end, a time limit, or a client that has left.
 */
import {
  type Frame,
  creditFrame,
  creditOf,
  jsonFrame,
  jsonOf,
  NO_CREDIT_MS,
  relayDone,
  relayHead,
  type RelayHead,
  relayReset,
  STREAM_CREDIT_BYTES,
} from "../../protocol";
import type { DomainError } from "../domain/errors";
import { joined } from "../domain/event-stream";
import type { RelayCall, RelayOutcome } from "../domain/inference";
import { AnswerTooLarge, streamedAnswer, wholeAnswer, type AnswerSink } from "./answers";
import { BodySender } from "./body-sender";
import { agentLost, ofAnswer, ofReset, type Failure } from "./failure";

/** Credit that is granted in smaller amounts costs more messages than it is worth. */
const GRANT_BYTES = STREAM_CREDIT_BYTES / 8;

export interface RelayLimits {
  idleMs: number;
  totalMs: number;
}

export interface StreamParts {
  id: number;
  call: RelayCall;
  limits: RelayLimits;
  nowMs: () => number;
  send: (...frames: Frame[]) => void;
  /** The stream is over, for the agent: its number is free. */
  onOver: () => void;
}

/** How it began: with an answer, or with a failure after which another agent may be asked. */
export type Beginning = { response: Response } | { failure: Failure };

export class RelayStream {
  readonly id: number;
  readonly deploymentId: string;
  readonly beginning: Promise<Beginning>;
  readonly ended: Promise<RelayOutcome>;
  readonly #parts: StreamParts;
  readonly #sink: AnswerSink;
  readonly #body: BodySender;
  readonly #openedAtMs: number;
  #begin: (beginning: Beginning) => void = () => undefined;
  #settle: (outcome: RelayOutcome) => void = () => undefined;
  #head: RelayHead | null = null;
  #errorBody: Uint8Array[] = [];
  #outcome: RelayOutcome = { done: null, status: 200, error: null, firstByteAtMs: null };
  #isOver = false;
  /** Of the last byte that moved, either way. */
  #movedAtMs: number;
  #bodyMovedAtMs: number;
  /** Bytes of the answer that were granted and have not come. */
  #creditLeft = STREAM_CREDIT_BYTES;
  #ungranted = 0;

  constructor(parts: StreamParts) {
    const { id, call, limits } = parts;
    this.#parts = parts;
    this.id = id;
    this.deploymentId = call.open.deployment_id;
    this.#openedAtMs = this.#movedAtMs = this.#bodyMovedAtMs = parts.nowMs();
    this.beginning = new Promise((resolve) => (this.#begin = resolve));
    this.ended = new Promise((resolve) => (this.#settle = resolve));
    this.#sink = (call.open.stream ? streamedAnswer : wholeAnswer)({
      nowMs: parts.nowMs,
      noCreditMs: NO_CREDIT_MS,
      answer: (response) => this.#begin({ response }),
      refuse: (error) => this.#refuse(error),
      onTaken: (bytes) => this.#taken(bytes),
      onGone: () => this.#clientGone("client_gone", "the client has left"),
      onClosed: () => this.#settle(this.#outcome),
    });
    this.#body = new BodySender(id, call.body);
    const open = { ...call.open, idle_ms: idleMs(call, limits), total_ms: limits.totalMs };
    parts.send(jsonFrame("open", id, open), ...this.#body.next());
  }

  onFrame(frame: Frame): void {
    if (this.#isOver) return;
    this.#movedAtMs = this.#parts.nowMs();
    switch (frame.type) {
      case "credit":
        this.#bodyMovedAtMs = this.#movedAtMs;
        this.#body.grant(creditOf(frame));
        this.#parts.send(...this.#body.next());
        return;
      case "head":
        this.#takeHead(relayHead.parse(jsonOf(frame)));
        return;
      case "data":
        this.#takeData(frame.payload);
        return;
      case "done":
        this.#takeDone(frame);
        return;
      case "reset":
        this.#fail(ofReset(relayReset.parse(jsonOf(frame))));
        return;
      case "open":
      case "body":
      case "end":
      case "status":
        this.#giveUp("server_error", `a frame of type ${frame.type} is not an agent's`);
    }
  }

  /** The socket is gone. */
  lost(): void {
    this.#fail(agentLost());
  }

  /** Ends what has taken too long. */
  tick(nowMs: number): void {
    if (this.#sink.tick(nowMs)) return this.#clientGone("no_credit", "the client takes nothing of its answer");
    if (this.#isOver) return;
    const { call, limits } = this.#parts;
    const idle = idleMs(call, limits);
    if (nowMs - this.#openedAtMs >= limits.totalMs) {
      this.#giveUp("too_long", `the request has taken more than ${seconds(limits.totalMs)}`);
    } else if (this.#body.isStalled && nowMs - this.#bodyMovedAtMs >= NO_CREDIT_MS) {
      this.#giveUp("no_credit", "the agent takes nothing of the request");
    } else if (nowMs - this.#movedAtMs >= idle && this.#creditLeft > 0) {
      this.#giveUp("idle", `the model has said nothing for ${seconds(idle)}`);
    }
  }

  #takeHead(head: RelayHead): void {
    if (this.#head !== null) return this.#giveUp("server_error", "a second head");
    this.#head = head;
    if (head.status < 400) this.#sink.begin(head.content_type);
  }

  #takeData(bytes: Uint8Array): void {
    this.#creditLeft -= bytes.byteLength;
    if (this.#head === null || this.#creditLeft < 0) {
      return this.#giveUp("server_error", this.#head === null ? "data before a head" : "more data than was granted");
    }
    if (this.#head.status >= 400) {
      this.#errorBody.push(bytes.slice());
      return;
    }
    this.#outcome.firstByteAtMs ??= this.#movedAtMs;
    try {
      this.#sink.data(bytes);
    } catch (error) {
      if (!(error instanceof AnswerTooLarge)) throw error;
      this.#reset("client_gone", error.message);
      this.#over(error.message);
      this.#refuse(error);
    }
  }

  #takeDone(frame: Frame): void {
    if (this.#head === null) return this.#giveUp("server_error", "an end before a head");
    if (this.#head.status >= 400) return this.#fail(ofAnswer(this.#head, joined(this.#errorBody)));
    this.#outcome.done = relayDone.parse(jsonOf(frame));
    this.#over(null);
    this.#sink.end();
  }

  #taken(bytes: number): void {
    this.#ungranted += bytes;
    if (this.#isOver || this.#ungranted < GRANT_BYTES) return;
    this.#creditLeft += this.#ungranted;
    this.#parts.send(creditFrame(this.id, this.#ungranted));
    this.#ungranted = 0;
  }

  /** Our own reason: the agent is told. */
  #giveUp(code: string, message: string): void {
    this.#reset(code, message);
    this.#fail(ofReset({ code, message }));
  }

  #fail(failure: Failure): void {
    if (this.#isOver) return;
    const hasBegun = this.#head !== null && this.#head.status < 400;
    this.#over(failure.message);
    if (hasBegun) this.#sink.fail(failure);
    else this.#end({ failure });
  }

  #refuse(error: DomainError): void {
    this.#end({ failure: { code: error.code, message: error.message, elsewhere: false, error } });
  }

  #clientGone(code: string, message: string): void {
    if (!this.#isOver) {
      this.#reset(code, message);
      this.#over(message);
      this.#outcome.status = 499;
    }
    // A client that leaves behind the agent's last word has missed some of it; what was asked of the model is done.
    this.#settle(this.#outcome);
  }

  #end(beginning: Beginning): void {
    this.#begin(beginning);
    this.#settle(this.#outcome);
  }

  #reset(code: string, message: string): void {
    this.#parts.send(jsonFrame("reset", this.id, { code, message }));
  }

  #over(error: string | null): void {
    this.#isOver = true;
    this.#outcome.error = error;
    this.#parts.onOver();
  }
}

/** An answer that is not streamed comes at its end: it may be silent as long as it may take. */
function idleMs({ open }: RelayCall, limits: RelayLimits): number {
  return open.stream ? limits.idleMs : limits.totalMs;
}

function seconds(ms: number): string {
  return `${String(Math.ceil(ms / 1000))} s`;
}
