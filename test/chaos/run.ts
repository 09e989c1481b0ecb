/**
 * One chaos run: every recipe undisturbed for the reference, then jobs of all recipes under faults until both the kills
 * and the jobs that were asked for are done, then every check. The summary tells all that did not hold.
 */
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createJob, newestCheckpoint, patiently, readJob, type Job } from "./api";
import { checkJob, readReference, sameStream, type Reference } from "./checks";
import { Deployment, type Clocks } from "./deployment";
import { Faults, type FaultCounts } from "./faults";
import { Follower } from "./follower";
import { Pacing } from "./pacing";
import { Random } from "./random";
import { jobRequest, uploadInputs, type Inputs, type Recipe } from "./recipes";
import { checkStored, readStored } from "./storage";

export interface ChaosOptions {
  dir: string;
  seed: number;
  /** No fault and no new job after so long; what runs is finished and checked. */
  seconds: number;
  /** Infinity: as many as `seconds` allow. */
  kills: number;
  /** At least so many are submitted, and more while kills are left. */
  jobs: number;
  hosts: number;
  recipes: Recipe[];
  clocks: Clocks;
  say: (line: string) => void;
  progress: (summary: Progress) => void;
}

export interface Progress {
  kills: number;
  completed: number;
  submitted: number;
}

export interface Summary {
  ok: boolean;
  seed: number;
  jobs: number;
  completed: number;
  kills: number;
  faults: FaultCounts;
  attempts: number;
  violations: string[];
  seconds: number;
}

const POLL_MS = 500;
const LOOK_MS = 400;
const STRIKE_MS = 150;
/** Jobs that wait or run beyond the machines that there are, so that none of those is ever idle for long. */
const QUEUED_AHEAD = 1;
/** Since the last fault, for the jobs that are still under way. */
const FINISH_TIMEOUT_MS = 600_000;
/** A stream that has an end is read in much less. */
const FOLLOW_TIMEOUT_MS = 120_000;
const TERMINAL = ["completed", "failed", "timed_out", "cancelled"];

interface Submitted {
  id: string;
  recipe: Recipe;
  follower: Follower;
  seen: Job | null;
  checked: Promise<string[]> | null;
}

export async function runChaos(options: ChaosOptions): Promise<Summary> {
  const startedAtMs = Date.now();
  const deployment = await Deployment.start(options);
  try {
    const inputs = await uploadInputs(deployment.client);
    const references = await runUndisturbed(deployment, inputs, options);
    const siege = new Siege(deployment, inputs, references, options);
    await siege.run();
    const violations = await siege.violations();
    violations.push(...(await deployment.stop()));
    const ids = [...[...references.values()].map(({ jobId }) => jobId), ...siege.jobIds];
    violations.push(...checkStored(readStored(path.join(options.dir, "data")), ids));
    return siege.summary(violations, (Date.now() - startedAtMs) / 1000);
  } finally {
    await deployment.stop();
  }
}

/** Each recipe once, with nothing going wrong. */
async function runUndisturbed(
  { client }: Deployment,
  inputs: Inputs,
  { recipes, say }: ChaosOptions,
): Promise<Map<string, Reference>> {
  const begun = await Promise.all(
    recipes.map(async (recipe) => ({
      recipe,
      id: await createJob(client, jobRequest(recipe, inputs), `reference ${recipe.name}`),
    })),
  );
  const found = new Map<string, Reference>();
  for (const { recipe, id } of begun) {
    const job = await untilEnded(id, () => readJob(client, id));
    if (job.status !== "completed" || job.attempt !== 1) {
      throw new Error(`the undisturbed run of ${recipe.name} ended as ${JSON.stringify(job)}`);
    }
    const reference = await readReference(client, id);
    say(`${recipe.name}: ${String(reference.points.length)} steps, ${reference.sha256.slice(0, 12)}`);
    found.set(recipe.name, reference);
  }
  return found;
}

async function untilEnded(id: string, read: () => Promise<Job>): Promise<Job> {
  for (const deadlineMs = Date.now() + FINISH_TIMEOUT_MS; ; await sleep(POLL_MS)) {
    const job = await read();
    if (TERMINAL.includes(job.status)) return job;
    if (Date.now() > deadlineMs) throw new Error(`${id} does not end: ${JSON.stringify(job)}`);
  }
}

class Siege {
  readonly #jobs: Submitted[] = [];
  readonly #random: Random;
  readonly #pacing: Pacing;
  readonly #faults: Faults;
  readonly #startedAtMs = Date.now();
  #lastStrikeAtMs = Date.now();
  #isOver = false;

  constructor(
    private readonly deployment: Deployment,
    private readonly inputs: Inputs,
    private readonly references: Map<string, Reference>,
    private readonly options: ChaosOptions,
  ) {
    this.#random = new Random(options.seed);
    this.#pacing = new Pacing(this.#random);
    this.#faults = new Faults({
      hosts: deployment.hosts,
      plane: deployment.plane,
      pacing: this.#pacing,
      random: this.#random,
      leaseMs: options.clocks.leaseMs,
      attemptOf: (id) => this.#jobs.find((job) => job.id === id)?.seen?.attempt ?? 1,
      say: options.say,
    });
  }

  get jobIds(): string[] {
    return this.#jobs.map(({ id }) => id);
  }

  /** Strikes and submits until all is done, then waits for what is under way. */
  async run(): Promise<void> {
    await Promise.all([this.#keepStriking(), this.#keepLooking()]);
    await this.#faults.recovered();
  }

  /** On a clock of its own: faults also fall while a request is under way. */
  async #keepStriking(): Promise<void> {
    for (; !this.#isOver; await sleep(STRIKE_MS)) {
      const { kills } = this.#faults;
      if (!this.#hasTime() || kills >= this.options.kills) continue;
      await this.#faults.strikeIfDue(Date.now());
      if (this.#faults.kills > kills) this.#lastStrikeAtMs = Date.now();
    }
  }

  async #keepLooking(): Promise<void> {
    try {
      for (; ; await sleep(LOOK_MS)) {
        await Promise.all(this.#open().map((job) => this.#look(job)));
        this.#tellProgress();
        if (this.#isMoreWanted()) await this.#submitAhead();
        else if (this.#open().length === 0) return;
        if (Date.now() - this.#lastStrikeAtMs > FINISH_TIMEOUT_MS) return; // The checks tell what did not end.
      }
    } finally {
      this.#isOver = true;
    }
  }

  #isMoreWanted(): boolean {
    const { jobs, kills } = this.options;
    return this.#hasTime() && (this.#jobs.length < jobs || this.#faults.kills < kills);
  }

  /** Everything that did not hold of any job, and of the faults themselves. */
  async violations(): Promise<string[]> {
    const found = [...this.#faults.violations];
    for (const job of this.#jobs) found.push(...(await this.#checked(job)));
    const { kills } = this.options;
    if (Number.isFinite(kills) && this.#faults.kills < kills) {
      found.push(`only ${String(this.#faults.kills)} of ${String(kills)} kills in the time`);
    }
    return found;
  }

  /** A job is checked as soon as it has ended, while others are struck: reading goes on through outages too. */
  #checked(job: Submitted): Promise<string[]> {
    const check = (): Promise<string[]> =>
      this.#check(job).catch((error: unknown) => [`it could not be checked: ${String(error)}`]);
    job.checked ??= check().then((found) => {
      this.options.say(`${job.id} (${job.recipe.name}): ${found.join("; ") || "as undisturbed"}`);
      return found.map((sentence) => `${job.id} (${job.recipe.name}): ${sentence}`);
    });
    return job.checked;
  }

  async #check({ id, recipe, follower }: Submitted): Promise<string[]> {
    const { client } = this.deployment;
    const reference = this.references.get(recipe.name);
    if (reference === undefined) throw new Error(`no reference of ${recipe.name}`);
    const replay = new Follower(client, id);
    const isOver = await Promise.race([
      Promise.all([replay.done, follower.done]).then(() => true),
      sleep(FOLLOW_TIMEOUT_MS).then(() => false),
    ]);
    for (const one of [replay, follower]) one.stop();
    const found = await patiently(() => checkJob(client, id, reference, replay.items));
    if (!isOver) found.push("its stream does not end");
    else if (!sameStream(replay.items, follower.items)) found.push("the live reader saw another stream");
    return found;
  }

  summary(violations: string[], seconds: number): Summary {
    return {
      ok: violations.length === 0,
      seed: this.options.seed,
      jobs: this.#jobs.length,
      completed: this.#jobs.length - this.#open().length,
      kills: this.#faults.kills,
      faults: this.#faults.counts,
      attempts: this.#jobs.reduce((sum, { seen }) => sum + (seen?.attempt ?? 0), 0),
      violations,
      seconds: Math.round(seconds),
    };
  }

  #hasTime(): boolean {
    return Date.now() - this.#startedAtMs < this.options.seconds * 1000;
  }

  #open(): Submitted[] {
    return this.#jobs.filter(({ seen }) => seen === null || !TERMINAL.includes(seen.status));
  }

  /** The job as the API has it now. */
  async #look(job: Submitted): Promise<void> {
    const { client } = this.deployment;
    const isTraining = job.seen?.status === "running";
    const newest = isTraining ? await patiently(() => newestCheckpoint(client, job.id)) : null;
    job.seen = await patiently(() => readJob(client, job.id));
    if (TERMINAL.includes(job.seen.status)) void this.#checked(job);
    if (job.seen.attempt === 0) return;
    const { attempt, lost_in_a_row: lostInARow } = job.seen;
    this.#pacing.see(job.id, { attempt, lostInARow, newestCheckpoint: newest }, Date.now());
  }

  #tellProgress(): void {
    this.options.progress({
      kills: this.#faults.kills,
      completed: this.#jobs.length - this.#open().length,
      submitted: this.#jobs.length,
    });
  }

  async #submitAhead(): Promise<void> {
    const { client } = this.deployment;
    const { hosts, jobs, kills } = this.options;
    const isAskedFor = this.#jobs.length < jobs || !Number.isFinite(kills);
    if (this.#open().length >= hosts + (isAskedFor ? QUEUED_AHEAD : 0)) return;
    const number = this.#jobs.length;
    const recipe = this.options.recipes[number % this.options.recipes.length];
    if (recipe === undefined) throw new Error("there are no recipes");
    const id = await createJob(client, jobRequest(recipe, this.inputs), `job ${String(number + 1)}`);
    this.#jobs.push({ id, recipe, follower: new Follower(client, id), seen: null, checked: null });
  }
}
