/**
 * Clients that never stop asking: streamed and not, slow and fast, and some that leave in the middle. Each answer is held
 * against what it must be, so that whatever is lost, mixed, hung or unsaid is a violation.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { askPaced, pacedText, type ChatTarget, type PacedAnswer, type PacedScript } from "../harness/paced-chat";
import type { MortalPlane } from "./control-plane";
import type { Random } from "./random";

/** Beyond every limit of the worker's: whoever waits longer hangs. */
export const HANG_MS = 60_000;
/** A client that was refused looks again; sooner than it was told, as clients do. */
const MAX_RETRY_MS = 1_500;
const LEAVES = 0.1;
const STREAMS = 0.75;

export interface LoadCounts {
  whole: number;
  /** 429 or 503, before a byte of an answer. */
  refused: number;
  /** An error event, or 5xx. */
  told: number;
  /** The connection broke: the control plane was killed under it. */
  broken: number;
  /** By the client. */
  left: number;
}

export interface LoadOptions {
  target: ChatTarget;
  plane: MortalPlane;
  clients: number;
  random: Random;
  say: (line: string) => void;
}

export class Load {
  readonly counts: LoadCounts = { whole: 0, refused: 0, told: 0, broken: 0, left: 0 };
  readonly violations: string[] = [];
  readonly #clients: Promise<unknown>;
  #isOver = false;
  #asked = 0;

  constructor(private readonly options: LoadOptions) {
    this.#clients = Promise.all(Array.from({ length: options.clients }, (_, n) => this.#client(n)));
  }

  get asked(): number {
    return this.#asked;
  }

  /** No new requests; those that are under way end by themselves. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#clients;
  }

  async #client(n: number): Promise<void> {
    const { random } = this.options;
    while (!this.#isOver) {
      const script = {
        tag: `c${String(n)}r${String((this.#asked += 1))}`,
        tokens: Math.floor(random.between(1, 60)),
        perSecond: random.chance(0.3) ? 0 : random.between(10, 60),
      };
      const isServed = await this.#ask(script, random.chance(STREAMS), random.chance(LEAVES));
      await sleep(random.between(0, isServed ? 100 : MAX_RETRY_MS));
    }
  }

  /** Whether it got what it asked for. */
  async #ask(script: PacedScript, stream: boolean, leaves: boolean): Promise<boolean> {
    const { target, plane, random } = this.options;
    const [deaths, wasUp] = [plane.deaths, plane.isUp];
    const leaving = new AbortController();
    if (leaves) void sleep(random.between(0, 1_500)).then(() => leaving.abort());
    const signal = AbortSignal.any([leaving.signal, AbortSignal.timeout(HANG_MS)]);
    const outcome = await askPaced(target, script, { stream, signal }).catch((error: unknown) => error);
    const isExcused = !wasUp || !plane.isUp || plane.deaths !== deaths;
    if (leaving.signal.aborted && !isAnswer(outcome)) this.counts.left += 1;
    else if (signal.aborted && !isAnswer(outcome)) this.#violation(script, `hangs for ${String(HANG_MS)} ms`);
    else if (isAnswer(outcome)) return this.#judge(script, outcome, isExcused);
    else if (isExcused) this.counts.broken += 1;
    else this.#violation(script, `breaks while the control plane is up: ${inWords(outcome)}`);
    return false;
  }

  #judge(script: PacedScript, answer: PacedAnswer, isExcused: boolean): boolean {
    const { status, text, isWhole, error } = answer;
    const expected = pacedText(script);
    if (!expected.startsWith(text)) this.#violation(script, `got what is not its own: ${text.slice(-80)}`);
    if (isWhole && text !== expected) this.#violation(script, `is whole at ${text.slice(-20)}`);
    if (isWhole && error === null) this.counts.whole += 1;
    else if (status === 429 || status === 503) this.counts.refused += 1;
    else if (error !== null && (status === 200 || isExcused)) this.counts.told += 1;
    else if (isExcused) this.counts.broken += 1;
    else this.#violation(script, `ended without a word, or by ${String(status)}: ${String(error)}`);
    return isWhole;
  }

  #violation(script: PacedScript, what: string): void {
    const sentence = `request ${JSON.stringify(script)} ${what}`;
    this.options.say(`VIOLATION ${sentence}`);
    this.violations.push(sentence);
  }
}

function isAnswer(outcome: unknown): outcome is PacedAnswer {
  return typeof outcome === "object" && outcome !== null && "isWhole" in outcome;
}

function inWords(error: unknown): string {
  return error instanceof Error
    ? `${error.message} ${error.cause instanceof Error ? error.cause.message : ""}`
    : String(error);
}
