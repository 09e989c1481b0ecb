/**
 * What is wanted of one lease, gathered from every answer, the socket and the agent's own end. Wishes only get
 * stronger: drain and pause save the work first, cancel ends it, lost ends it without another write.
 */
import { setMaxListeners } from "node:events";
import type { ReportResponse } from "../../protocol";
import type { Clock } from "./clock";

export type Wish = "continue" | "drain" | "pause" | "cancel" | "lost";

const STRENGTH: Record<Wish, number> = { continue: 0, drain: 1, pause: 1, cancel: 2, lost: 3 };

/** design/security.md: the agent stops its trainer when its lease has been expired for 10 minutes by its own clock. */
const SILENCE_AFTER_EXPIRY_MS = 600_000;

export class TaskControl {
  private current: Wish = "continue";
  private answeredAtMs: number;
  private readonly stopController = new AbortController();
  private readonly endController = new AbortController();
  private readonly lostController = new AbortController();
  private readonly listeners: ((wish: Wish) => void)[] = [];

  /** How long a busy report lane gathers, as the worker last said. */
  flushMs = 1_000;

  constructor(
    private readonly clock: Clock,
    private readonly leaseMs: number,
    private readonly renewToken: (token: string, expiresAtMs: number) => void,
  ) {
    this.answeredAtMs = clock.now();
    for (const { signal } of [this.stopController, this.endController, this.lostController]) setMaxListeners(0, signal);
  }

  get wish(): Wish {
    return this.current;
  }

  /** Any wish to stop: nothing new is begun. */
  get stopping(): AbortSignal {
    return this.stopController.signal;
  }

  /** Cancel or lost: what is under way is given up. */
  get ending(): AbortSignal {
    return this.endController.signal;
  }

  /** No more writes. */
  get lost(): AbortSignal {
    return this.lostController.signal;
  }

  raise(wish: Wish): void {
    if (STRENGTH[wish] <= STRENGTH[this.current]) return;
    this.current = wish;
    this.stopController.abort();
    if (STRENGTH[wish] >= STRENGTH.cancel) this.endController.abort();
    if (wish === "lost") this.lostController.abort();
    for (const listener of this.listeners) listener(wish);
  }

  /** Called for the present wish too, if there is one. */
  onWish(listener: (wish: Wish) => void): void {
    this.listeners.push(listener);
    if (this.current !== "continue") listener(this.current);
  }

  answered(answer: ReportResponse): void {
    this.answeredAtMs = this.clock.now();
    this.flushMs = answer.flush_ms;
    if (answer.agent_token !== undefined && answer.token_expires_at_ms !== undefined) {
      this.renewToken(answer.agent_token, answer.token_expires_at_ms);
    }
    this.raise(answer.directive);
  }

  /** Ask after a failed beat only: a machine that slept must first hear what the worker says. */
  loseIfSilent(): void {
    const expiredForMs = this.clock.now() - this.answeredAtMs - this.leaseMs;
    if (expiredForMs >= SILENCE_AFTER_EXPIRY_MS) this.raise("lost");
  }
}
