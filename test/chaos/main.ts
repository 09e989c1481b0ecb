/**
 * `npm run chaos -- [--seconds S] [--seed N] [--kills K] [--jobs J] [--agents A] [--scale X] [--recipe NAME]… [--json]`:
 * faults against the whole. Without `--kills` it strikes for S seconds; with it, until K kills are done, and S is then
 * the most that it may take. Exits 1 on any violation; the last line of stdout sums up.
 */
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { stopAll, stopOnSignals } from "../../scripts/processes";
import { startProgress } from "../../scripts/progress";
import { preparePython } from "../../scripts/python-env";
import { recipes, type Recipe } from "./recipes";
import { runChaos, type Summary } from "./run";

const DEFAULT_SECONDS = 300;
const CLOCKS = { heartbeatMs: 500, leaseMs: 4_000, resumeIntervalMs: 1_000 };

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

/** Those that are named, or all. */
function chosenRecipes(): Recipe[] {
  const all = recipes(numberOf("scale", values.scale));
  const named = values.recipe ?? all.map(({ name }) => name);
  const unknown = named.find((name) => !all.some((recipe) => recipe.name === name));
  if (unknown !== undefined)
    throw new Error(`no recipe ${unknown}; there are ${all.map(({ name }) => name).join(", ")}`);
  return all.filter(({ name }) => named.includes(name));
}

function inWords(summary: Summary): string {
  const { ok, seed, jobs, completed, kills, faults, attempts, violations, seconds } = summary;
  const struck = `${String(kills)} kills (${String(faults.agent)} agents, ${String(faults.trainer)} trainers, ${String(faults.worker)} workers) and ${String(faults.freeze)} freezes`;
  const outcome = ok ? "ok" : `${String(violations.length)} violations`;
  return `chaos ${outcome}: ${String(completed)} of ${String(jobs)} jobs completed in ${String(attempts)} attempts under ${struck}, seed ${String(seed)}, ${String(seconds)} s`;
}

async function main(): Promise<boolean> {
  const dir = mkdtempSync(path.join(os.tmpdir(), "anneal-chaos-"));
  stopOnSignals(stopAll, 130);
  await preparePython();
  const kills = values.kills === undefined ? Infinity : numberOf("kills", values.kills);
  const seed = numberOf("seed", values.seed);
  process.stderr.write(`seed ${String(seed)}, logs in ${dir}\n`);
  const bar = startProgress("chaos", Number.isFinite(kills) ? kills : numberOf("seconds", values.seconds));
  const startedAtMs = Date.now();
  const summary = await runChaos({
    dir,
    seed,
    seconds: numberOf("seconds", values.seconds),
    kills,
    jobs: numberOf("jobs", values.jobs),
    hosts: numberOf("agents", values.agents),
    recipes: chosenRecipes(),
    clocks: CLOCKS,
    say: (line) => process.stderr.write(`${((Date.now() - startedAtMs) / 1000).toFixed(1)} s: ${line}\n`),
    progress: (now) => {
      const done = Number.isFinite(kills) ? now.kills : (Date.now() - startedAtMs) / 1000;
      bar.update(
        Math.floor(done),
        `${String(now.kills)} kills, ${String(now.completed)} of ${String(now.submitted)} jobs`,
      );
    },
  });
  bar.done(inWords(summary));
  for (const violation of summary.violations) process.stderr.write(`VIOLATION ${violation}\n`);
  if (summary.ok) rmSync(dir, { recursive: true, force: true });
  else process.stderr.write(`logs and data are kept in ${dir}\n`);
  process.stdout.write(`${values.json ? JSON.stringify(summary) : inWords(summary)}\n`);
  return summary.ok;
}

main().then(
  (ok) => process.exit(ok ? 0 : 1),
  async (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    await stopAll();
    process.exit(1);
  },
);
