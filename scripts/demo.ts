/**
 * `npm run demo [-- --json]`: the main job end to end on this machine. Starts a control plane of its own and an agent,
 * trains the example (SFT, then GRPO from that checkpoint) through the public API, downloads and verifies both models,
 * shows what they learned, stops everything. With `--json` stdout has one line, the last; the rest is on stderr.
 */
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { apiClient, type ApiClient } from "./api";
import { startControlPlane } from "./control-plane";
import { readRecipe, submit } from "./demo/example";
import { fetchModel, sample, sampleUntrained, type Sampled } from "./demo/model";
import { faults, jobReport, sampleTable, type Facts } from "./demo/report";
import { readCurve, watchJob } from "./demo/watch-job";
import { freePort } from "./free-port";
import { createAccount, createAgentToken } from "./local-account";
import { startLocalAgent, waitForAgent } from "./local-agent";
import { stopAll, stopOnSignals } from "./processes";
import { preparePython } from "./python-env";

const SHOWN_SAMPLES = 10;
/** So small a model gains nothing from a second thread, and on a busy machine two that wait for each other lose much. */
const TORCH_THREADS = 1;

const { values } = parseArgs({ options: { json: { type: "boolean", default: false } } });
const startedAtMs = Date.now();
const workDir = mkdtempSync(path.join(os.tmpdir(), "anneal-demo-"));

function say(text: string): void {
  (values.json ? process.stderr : process.stdout).write(`${text}\n`);
}

async function cleanUp(): Promise<void> {
  await stopAll();
  rmSync(workDir, { recursive: true, force: true });
}

stopOnSignals(cleanUp, 130);

/** A control plane, an account and an agent; the client speaks for the account. */
async function startDeployment(): Promise<ApiClient> {
  const plane = await startControlPlane({ stateDir: workDir, port: await freePort() });
  say(`control plane on ${plane.url}`);
  const account = await createAccount(plane.url, plane.adminToken, "demo");
  const { token } = await createAgentToken(plane.url, account.api_key);
  const agent = startLocalAgent({
    url: plane.url,
    token,
    stateDir: path.join(workDir, "agent"),
    logFile: path.join(workDir, "agent.log"),
    torchThreads: TORCH_THREADS,
  });
  await waitForAgent(agent, plane.url, account.api_key);
  say("agent registered");
  return apiClient(plane.url, account.api_key);
}

async function trainOne(client: ApiClient, recipeName: string, baseModel?: string): Promise<Facts> {
  const recipe = readRecipe(recipeName);
  const submittedAtMs = Date.now();
  const id = await submit(client, recipe, baseModel ?? recipe.base_model ?? "");
  say(`${recipe.method}: job ${id}`);
  await watchJob(client, id, recipe.method, recipe.hyperparameters.max_steps);
  const seconds = (Date.now() - submittedAtMs) / 1000;
  const [loss, reward, model] = await Promise.all([
    readCurve(client, id, "loss"),
    readCurve(client, id, "reward"),
    fetchModel(client, id, workDir),
  ]);
  return { id, method: recipe.method, seconds, loss, reward, model };
}

function describe(facts: Facts): string {
  const { method, first_loss, last_loss, first_reward, last_reward, seconds } = jobReport(facts);
  const loss = `loss ${String(first_loss)} → ${String(last_loss)}`;
  const reward = first_reward === null ? "" : `, reward ${String(first_reward)} → ${String(last_reward)}`;
  return `${method}: ${loss}${reward}, ${seconds.toFixed(0)} s`;
}

async function demo(): Promise<boolean> {
  const python = await preparePython();
  const [client, untrained] = await Promise.all([startDeployment(), sampleUntrained(python, workDir)]);
  const sft = await trainOne(client, "sft.json");
  say(describe(sft));
  const grpo = await trainOne(client, "grpo.json", sft.id);
  say(describe(grpo));
  const columns: Record<string, Sampled> = {
    untrained,
    "after SFT": await sample(python, sft.model.dir),
    "after GRPO": await sample(python, grpo.model.dir),
  };
  say(`\ngreedy completions of held-out prompts\n${sampleTable(columns, SHOWN_SAMPLES)}\n`);
  const found = [sft, grpo].flatMap(faults);
  for (const fault of found) say(fault);
  const seconds = Math.round((Date.now() - startedAtMs) / 100) / 10;
  const result = { ok: found.length === 0, jobs: [sft, grpo].map(jobReport), seconds };
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else say(result.ok ? `done in ${String(seconds)} s` : "something is not as it should be, see above");
  return result.ok;
}

try {
  const ok = await demo();
  await cleanUp();
  process.exit(ok ? 0 : 1);
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  await stopAll();
  say(`logs are kept in ${workDir}`);
  if (values.json)
    process.stdout.write(`${JSON.stringify({ ok: false, jobs: [], seconds: (Date.now() - startedAtMs) / 1000 })}\n`);
  process.exit(1);
}
