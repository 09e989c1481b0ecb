/**
 * `npm run chaos -- [--seconds S] [--seed N] [--kills K] [--jobs J] [--agents A] [--scale X] [--recipe NAME]… [--json]`:
 * faults against the whole. Without `--kills` it strikes for S seconds; with it, until K kills are done, and S is then
 * the most that it may take. The recipe `serving` is no job: requests to an engine under faults of their own, in the last
 * quarter of the time, or in all of it when no other is named. Exits 1 on any violation; the last line sums up.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { stopAll, stopOnSignals } from "../../scripts/processes";
import { startProgress } from "../../scripts/progress";
import { preparePython } from "../../scripts/python-env";
import { recipes, type Recipe } from "./recipes";
import { runChaos, type Summary } from "./run";
import { runServing, type ServingSummary } from "./serving";

const DEFAULT_SECONDS = 300;
const SERVING = "serving";
/** Of the time, when jobs are struck too. */
const SERVING_SHARE = 0.25;
const CLOCKS = { heartbeatMs: 500, leaseMs: 4_000, resumeIntervalMs: 1_000 };

const startedAtMs = Date.now();
const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: String(DEFAULT_SECONDS) },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    kills: { type: "string" },
    jobs: { type: "string", default: "1" },
    agents: { type: "string", default: "2" },
    scale: { type: "string", default: "1" },
    recipe: { type: "string", multiple: true },
    json: { type: "boolean", default: false },
  },
});

function numberOf(name: string, text: string): number {
  const number = Number(text);
  if (!(number > 0) || !Number.isFinite(number)) throw new Error(`--${name} must be a number above 0, not ${text}`);
  return number;
}

/** Those that are named, or all; apart from them whether an engine is to serve. */
function chosenRecipes(): { recipes: Recipe[]; serves: boolean } {
  const all = recipes(numberOf("scale", values.scale));
  const names = [...all.map(({ name }) => name), SERVING];
  const named = values.recipe ?? names;
  const unknown = named.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Error(`no recipe ${unknown}; there are ${names.join(", ")}`);
  return { recipes: all.filter(({ name }) => named.includes(name)), serves: named.includes(SERVING) };
}

function jobsInWords(summary: Summary): string {
  const { jobs, completed, kills, faults, attempts } = summary;
  const struck = `${String(kills)} kills (${String(faults.agent)} agents, ${String(faults.trainer)} trainers, ${String(faults.worker)} workers) and ${String(faults.freeze)} freezes`;
  return `${String(completed)} of ${String(jobs)} jobs completed in ${String(attempts)} attempts under ${struck}`;
}

function servingInWords({ requests, answers, faults, starts }: ServingSummary): string {
  const struck = `${String(faults.agent)} agents, ${String(faults.server)} model servers and ${String(faults.worker)} workers killed and ${String(faults.freeze)} freezes`;
  const ends = `${String(answers.whole)} whole, ${String(answers.refused)} refused, ${String(answers.told)} cut with a word, ${String(answers.broken)} broken with the worker, ${String(answers.left)} left`;
  return `${String(requests)} requests (${ends}) and ${String(starts)} starts under ${struck}`;
}

interface Whole {
  ok: boolean;
  seed: number;
  jobs: Summary | null;
  serving: ServingSummary | null;
  violations: string[];
  seconds: number;
}

function inWords({ ok, seed, jobs, serving, violations, seconds }: Whole): string {
  const outcome = ok ? "ok" : `${String(violations.length)} violations`;
  const parts = [jobs && jobsInWords(jobs), serving && servingInWords(serving)].filter((part) => part !== null);
  return `chaos ${outcome}: ${parts.join("; ")}, seed ${String(seed)}, ${String(seconds)} s`;
}

function say(line: string): void {
  process.stderr.write(`${((Date.now() - startedAtMs) / 1000).toFixed(1)} s: ${line}\n`);
}

async function strikeJobs(dir: string, chosen: Recipe[], seconds: number): Promise<Summary> {
  const kills = values.kills === undefined ? Infinity : numberOf("kills", values.kills);
  const bar = startProgress("chaos", Number.isFinite(kills) ? kills : seconds);
  const summary = await runChaos({
    dir,
    seed: numberOf("seed", values.seed),
    seconds,
    kills,
    jobs: numberOf("jobs", values.jobs),
    hosts: numberOf("agents", values.agents),
    recipes: chosen,
    clocks: CLOCKS,
    say,
    progress: (now) => {
      const done = Number.isFinite(kills) ? now.kills : (Date.now() - startedAtMs) / 1000;
      bar.update(
        Math.floor(done),
        `${String(now.kills)} kills, ${String(now.completed)} of ${String(now.submitted)} jobs`,
      );
    },
  });
  bar.done(jobsInWords(summary));
  return summary;
}

async function main(): Promise<boolean> {
  const dir = mkdtempSync(path.join(os.tmpdir(), "anneal-chaos-"));
  stopOnSignals(stopAll, 130);
  await preparePython();
  const [seed, seconds] = [numberOf("seed", values.seed), numberOf("seconds", values.seconds)];
  const hosts = numberOf("agents", values.agents);
  process.stderr.write(`seed ${String(seed)}, logs in ${dir}\n`);
  const { recipes: chosen, serves } = chosenRecipes();
  const served = !serves ? 0 : chosen.length === 0 ? seconds : seconds * SERVING_SHARE;
  const dirOf = (name: string): string => {
    mkdirSync(path.join(dir, name));
    return path.join(dir, name);
  };
  const jobs = chosen.length === 0 ? null : await strikeJobs(dirOf("jobs"), chosen, seconds - served);
  const options = { seed, hosts, seconds: served, clocks: CLOCKS, say };
  const serving = serves ? await runServing({ ...options, dir: dirOf(SERVING) }) : null;
  const violations = [...(jobs?.violations ?? []), ...(serving?.violations ?? [])];
  const took = Math.round((Date.now() - startedAtMs) / 1000);
  const whole: Whole = { ok: violations.length === 0, seed, jobs, serving, violations, seconds: took };
  for (const violation of violations) process.stderr.write(`VIOLATION ${violation}\n`);
  if (whole.ok) rmSync(dir, { recursive: true, force: true });
  else process.stderr.write(`logs and data are kept in ${dir}\n`);
  process.stdout.write(
    `${values.json ? JSON.stringify({ ...jobs, ...whole, jobs: jobs?.jobs ?? 0 }) : inWords(whole)}\n`,
  );
  return whole.ok;
}

main().then(
  (ok) => process.exit(ok ? 0 : 1),
  async (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    await stopAll();
    process.exit(1);
  },
);
