/**
 * When a job may be struck. By design a job fails once 3 attempts in a row were lost without a newly committed checkpoint
 * (MAX_LOST_IN_A_ROW), so it gets at most two strikes between two commits: the first at a random moment after a commit,
 * the second seldom and soon after the first, when the next attempt is being claimed, imports, resumes or has just begun.
 * Pure but for chance: the caller brings the clock.
 */
import type { Random } from "./random";

const MAX_STRIKES = 2;
/** After a commit, so that strikes fall on all of training, saving and uploading. */
const MAX_DELAY_AFTER_COMMIT_MS = 2_000;
/** A trainer imports for about as long. */
const MAX_DELAY_AFTER_STRIKE_MS = 12_000;
const SECOND_STRIKE = 0.2;
/** A job's first attempt is left alone until its first commit, but now and then. */
const EARLY_STRIKE = 0.3;

/** What the API says of a job. */
export interface JobView {
  attempt: number;
  lostInARow: number;
  newestCheckpoint: { attempt: number; atMs: number } | null;
}

interface State {
  strikes: number;
  /** A commit after this moment, of an attempt from this one on, takes the strikes back. */
  healedAfterMs: number;
  healedFromAttempt: number;
  /** null: not before the next commit. */
  openAtMs: number | null;
}

export class Pacing {
  readonly #jobs = new Map<string, State>();

  constructor(private readonly random: Random) {}

  /** Takes in what is known of a live job. */
  see(jobId: string, view: JobView, nowMs: number): void {
    const state = this.#jobs.get(jobId) ?? this.#begin(jobId, nowMs);
    const commit = view.newestCheckpoint;
    if (commit === null || commit.atMs <= state.healedAfterMs || commit.attempt < state.healedFromAttempt) return;
    // Of an attempt whose loss is yet to be counted nothing is taken back.
    if (view.lostInARow > 0) return;
    const isOpen = state.strikes === 0 && state.openAtMs !== null;
    state.strikes = 0;
    state.healedAfterMs = commit.atMs;
    if (!isOpen) state.openAtMs = nowMs + this.random.between(0, MAX_DELAY_AFTER_COMMIT_MS);
  }

  mayStrike(jobId: string, nowMs: number): boolean {
    const state = this.#jobs.get(jobId);
    return state?.openAtMs != null && state.strikes < MAX_STRIKES && state.openAtMs <= nowMs;
  }

  /** Whether a strike on everything would cost this job an attempt too many, whatever its own moment is. */
  canBear(jobId: string): boolean {
    return (this.#jobs.get(jobId)?.strikes ?? 0) < MAX_STRIKES;
  }

  /** `attempt` is over by this strike, or may go on when `isMortal` is false; `atMs` is the strike's end. */
  struck(jobId: string, attempt: number, isMortal: boolean, atMs: number): void {
    const state = this.#jobs.get(jobId) ?? this.#begin(jobId, atMs);
    state.strikes += 1;
    state.healedAfterMs = Math.max(state.healedAfterMs, atMs);
    if (isMortal) state.healedFromAttempt = Math.max(state.healedFromAttempt, attempt + 1);
    const isSecond = state.strikes < MAX_STRIKES && this.random.chance(SECOND_STRIKE);
    state.openAtMs = isSecond ? atMs + this.random.between(0, MAX_DELAY_AFTER_STRIKE_MS) : null;
  }

  /** What struck the job without ending its attempt is over only now. */
  endured(jobId: string, nowMs: number): void {
    const state = this.#jobs.get(jobId);
    if (state) state.healedAfterMs = Math.max(state.healedAfterMs, nowMs);
  }

  #begin(jobId: string, nowMs: number): State {
    const early = this.random.chance(EARLY_STRIKE);
    const openAtMs = early ? nowMs + this.random.between(0, MAX_DELAY_AFTER_STRIKE_MS) : null;
    const state: State = { strikes: 0, healedAfterMs: 0, healedFromAttempt: 1, openAtMs };
    this.#jobs.set(jobId, state);
    return state;
  }
}
