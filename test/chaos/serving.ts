/**
 * The chaos of serving: an engine on all hosts under constant load while agents, model servers and the control plane are
 * struck. No request hangs, none gets what is another's, none ends without a word; once all is quiet every request is
 * served; a hundred requests wake a sleeping engine by one start; nothing is left afterwards.
 */
import path from "node:path";
import { z } from "zod";
import { root } from "../../scripts/env";
import { askPaced, pacedText, type ChatTarget } from "../harness/paced-chat";
import { waitFor } from "../harness/jobs";
import { patiently } from "./api";
import { Deployment, type Clocks } from "./deployment";
import { Random } from "./random";
import { ServingFaults, type ServingFault } from "./serving-faults";
import { Load, type LoadCounts } from "./serving-load";
import { openOne, rows } from "./storage";

const CLIENTS = 8;
const RACERS = 100;
const SETTLE_MS = 90_000;
/** Shorter than anybody would have them, so that every limit is met. */
const VARIABLES = { ANNEAL_WAKE_WAIT_MS: "20000", ANNEAL_INFERENCE_IDLE_MS: "10000" };

export interface ServingOptions {
  /** An empty folder. */
  dir: string;
  seed: number;
  seconds: number;
  hosts: number;
  clocks: Clocks;
  say: (line: string) => void;
}

export interface ServingSummary {
  requests: number;
  answers: LoadCounts;
  faults: Record<ServingFault, number>;
  /** Of the engine, the last one by the race. */
  starts: number;
  violations: string[];
}

export async function runServing(options: ServingOptions): Promise<ServingSummary> {
  const { dir, clocks, say } = options;
  const agentEnv = { ANNEAL_SERVER_DIR: path.join(root, "bench", "servers"), ANNEAL_WARM_TRAINER: "0" };
  const deployment = await Deployment.start({ ...options, variables: VARIABLES, agentEnv });
  const random = new Random(options.seed);
  try {
    const { engineId, target } = await deploy(deployment, options.hosts);
    const faults = new ServingFaults(deployment, { random, leaseMs: clocks.leaseMs, say });
    const load = new Load({ target, plane: deployment.plane, clients: CLIENTS, random, say });
    await faults.strike(Date.now() + options.seconds * 1000);
    await load.stop();
    const { violations } = load;
    say("all is up again");
    violations.push(...(await serves(target)));
    violations.push(...(await race(deployment, engineId, target)));
    await patiently(() => deployment.client.post(`/anneal/v1/engines/${engineId}/deactivate`, {}, engine));
    violations.push(...(await deployment.stop()));
    const stored = readServed(path.join(dir, "data"));
    violations.push(...checkServed(stored, options.hosts));
    return { requests: load.asked, answers: load.counts, faults: faults.counts, starts: stored.starts, violations };
  } finally {
    await deployment.stop();
  }
}

const engine = z.object({ id: z.string(), status: z.string() });

async function deploy({ client, plane, apiKey }: Deployment, replicas: number) {
  const made = await client.post(
    "/anneal/v1/engines",
    { name: "chaos", base_model: "anneal/tiny-llama", replicas },
    engine,
  );
  const body = { model: "anneal/tiny-llama", name: "chaos" };
  await client.post(`/anneal/v1/engines/${made.id}/deployments`, body, z.object({}));
  const target: ChatTarget = { url: plane.url, key: apiKey, model: "chaos" };
  const refusals = await serves(target);
  if (refusals.length > 0) throw new Error(`it does not serve undisturbed: ${refusals.join("; ")}`);
  return { engineId: made.id, target };
}

/** Sooner or later, when nothing goes wrong any more. */
async function serves(target: ChatTarget): Promise<string[]> {
  const script = { tag: "quiet", tokens: 5, perSecond: 0 };
  let last = "";
  const found = waitFor("an answer in quiet times", SETTLE_MS, async () => {
    const answer = await askPaced(target, script, { stream: true });
    last = JSON.stringify(answer);
    return answer.isWhole && answer.text === pacedText(script) ? [] : null;
  });
  return found.catch((error: unknown) => [`${String(error)}: ${last}`]);
}

/** Everybody at once, at an engine that sleeps. */
async function race(deployment: Deployment, engineId: string, target: ChatTarget): Promise<string[]> {
  const { client, dir } = deployment;
  await patiently(() => client.post(`/anneal/v1/engines/${engineId}/deactivate`, {}, engine));
  const before = readServed(path.join(dir, "data")).starts;
  const answers = await Promise.all(
    Array.from({ length: RACERS }, (_, n) =>
      askPaced(target, { tag: `race${String(n)}`, tokens: 3, perSecond: 0 }, { stream: n % 2 === 0 }),
    ),
  );
  const starts = readServed(path.join(dir, "data")).starts - before;
  const unserved = answers.filter(({ isWhole }) => !isWhole);
  return [
    ...(starts === 1 ? [] : [`${String(RACERS)} requests at once made ${String(starts)} starts`]),
    ...(unserved.length === 0
      ? []
      : [`${String(unserved.length)} racers were not served: ${JSON.stringify(unserved[0])}`]),
  ];
}

const engineRow = z.object({ status: z.string(), run: z.number() });
const taskRow = z.object({ id: z.string(), state: z.string() });

interface Served {
  status: string;
  starts: number;
  tasks: z.infer<typeof taskRow>[];
}

/** The one engine and all its serve tasks, as D1 has them on disk. */
function readServed(dataDir: string): Served {
  const d1 = openOne(path.join(dataDir, "v3", "d1"), "engines");
  try {
    const [found] = rows(d1, "SELECT status, run FROM engines", engineRow);
    const tasks = rows(d1, "SELECT id, state FROM tasks WHERE kind = 'serve' ORDER BY id", taskRow);
    return { status: found?.status ?? "gone", starts: found?.run ?? 0, tasks };
  } finally {
    d1.close();
  }
}

function checkServed({ status, starts, tasks }: Served, replicas: number): string[] {
  const open = tasks.filter(({ state }) => state !== "ended");
  return [
    ...(status === "inactive" ? [] : [`the engine is left ${status}`]),
    ...(tasks.length === starts * replicas
      ? []
      : [`${String(starts)} starts of ${String(replicas)} agents each made ${String(tasks.length)} tasks`]),
    ...open.map(({ id, state }) => `the serve task ${id} is left ${state}`),
  ];
}
