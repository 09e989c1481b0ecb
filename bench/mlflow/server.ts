/** MLflow's tracking server, from PyPI in a venv of its own, on its own SQLite. */
import { mkdirSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { root } from "../../scripts/env";
import { freePort } from "../../scripts/free-port";
import { run, start } from "../../scripts/processes";
import { pip, venv } from "../../scripts/python-env";

const here = path.join(root, "bench", "mlflow");
const requirements = path.join(here, "requirements.txt");
const START_TIMEOUT_MS = 120_000;
const GRACE_MS = 2_000;
/** No word to anybody outside. */
const QUIET = { MLFLOW_DISABLE_TELEMETRY: "true", DO_NOT_TRACK: "true" };

export interface Mlflow {
  url: string;
  /** By how often a step was logged. */
  runs: { 1: string; 7: string };
}

/** Loads both runs, then serves them. Ends with this process, or by `stopAll`. */
export async function startMlflow(workDir: string, steps: number): Promise<Mlflow> {
  const python = await venv("mlflow", [requirements], (interpreter, report) =>
    pip(interpreter, ["-r", requirements], report),
  );
  const folder = path.join(workDir, "mlflow");
  mkdirSync(folder);
  const loaded = await run(python, [path.join(here, "load.py"), folder, String(steps)], { env: QUIET });
  if (loaded.code !== 0) throw new Error(`loading MLflow failed:\n${loaded.stderr.slice(-2000)}`);
  const runs = z
    .object({ 1: z.string(), 7: z.string() })
    .parse(JSON.parse(loaded.stdout.trim().split("\n").at(-1) ?? ""));
  const port = await freePort();
  const store = ["--backend-store-uri", `sqlite:///${path.join(folder, "mlflow.db")}`];
  const serving = ["--host", "127.0.0.1", "--port", String(port), "--workers", "1"];
  start("mlflow", python, ["-m", "mlflow", "server", ...store, ...serving], {
    env: QUIET,
    logFile: path.join(folder, "server.log"),
    graceMs: GRACE_MS,
  });
  const url = `http://127.0.0.1:${String(port)}`;
  await waitForHealth(url);
  return { url, runs };
}

async function waitForHealth(url: string): Promise<void> {
  const deadlineMs = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadlineMs) {
    const healthy = await fetch(`${url}/health`, { signal: AbortSignal.timeout(5_000) }).then(
      (response) => response.ok,
      () => false,
    );
    if (healthy) return;
    await sleep(250);
  }
  throw new Error("MLflow's server did not start");
}
