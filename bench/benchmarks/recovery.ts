/** A host that is gone: from SIGKILL of its agent to a new process at another one, and what was trained in vain. */
import { setTimeout as sleep } from "node:timers/promises";
import { existsSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import type { ApiClient } from "../../scripts/api";
import { preparePython } from "../../scripts/python-env";
import { startAgent, until, type Agent } from "../agent";
import type { Benchmark, Options } from "../benchmark";
import { createJob, followMetrics, uploadDataset, type MetricItem } from "../jobs";
import { withPlane, type Plane } from "../plane";
import { atMost, told, type Result } from "../result";

const SECONDS_OVER_LEASE = 5;
/** Nearly a whole interval since the last commit: about the most that can be lost. */
const KILL_AT = 0.9;
const TIMEOUT_MS = 600_000;

export const recovery: Benchmark = {
  name: "recovery",
  what: "agent killed → new process at another agent; steps lost; first new step",
  async run(options) {
    const python = await preparePython();
    const clocks = options.quick
      ? { heartbeatMs: 1_000, leaseMs: 6_000, intervalMs: 5_000 }
      : { heartbeatMs: 10_000, leaseMs: 60_000, intervalMs: 60_000 };
    const variables = {
      ANNEAL_HEARTBEAT_MS: String(clocks.heartbeatMs),
      ANNEAL_LEASE_MS: String(clocks.leaseMs),
      ANNEAL_RESUME_INTERVAL_MS: String(clocks.intervalMs),
    };
    return withPlane(options, { variables }, (plane) => measure(plane, python, clocks, options));
  },
};

interface Clocks {
  heartbeatMs: number;
  leaseMs: number;
  intervalMs: number;
}

async function measure(plane: Plane, python: string, clocks: Clocks, { say }: Options): Promise<Result[]> {
  const { client } = plane;
  const env = { ANNEAL_PYTHON: python };
  const agents = [await startAgent(plane, { name: "one", env }), await startAgent(plane, { name: "two", env })];
  const rows = Array.from({ length: 256 }, (_, n) => ({ prompt: `${String(n)}+1=`, completion: String(n + 1) }));
  const hyperparameters = { max_steps: 1_000_000, batch_size: 8, global_batch_size: 8, max_seq_length: 32 };
  const id = await createJob(client, { datasetId: await uploadDataset(client, rows), hyperparameters });
  const steps: MetricItem[] = [];
  const following = follow(client, id, steps);
  await until("a resume checkpoint", TIMEOUT_MS, () => hasCheckpoint(client, id));
  await sleep(KILL_AT * clocks.intervalMs);
  const { victim, heir } = await rolesOf(client, id, agents);
  victim.kill();
  const killedAtMs = Date.now();
  say(`recovery: killed the agent at step ${String(steps.at(-1)?.step)}`);
  const startedAtMs = await until("a new process", TIMEOUT_MS, () => {
    const task = heir.taskDir();
    return task !== null && existsSync(path.join(task, "process.json")) ? Date.now() : null;
  });
  const next = await until("a new step", TIMEOUT_MS, () => steps.find((item) => item.attempt === 2) ?? null);
  await client.post(`/anneal/v1/jobs/${id}/cancel`, {}, z.object({}));
  await following;
  return judge(steps, { killedAtMs, startedAtMs, next }, clocks);
}

async function follow(client: ApiClient, id: string, steps: MetricItem[]): Promise<void> {
  for await (const item of followMetrics(client, id)) steps.push(item);
}

const checkpoints = z.object({ data: z.array(z.object({ kind: z.string() })) });

async function hasCheckpoint(client: ApiClient, id: string): Promise<true | null> {
  const { data } = await client.get(`/anneal/v1/jobs/${id}/checkpoints`, checkpoints);
  return data.length > 0 ? true : null;
}

async function rolesOf(client: ApiClient, id: string, agents: Agent[]): Promise<{ victim: Agent; heir: Agent }> {
  const { agent_id: holder } = await client.get(`/anneal/v1/jobs/${id}`, z.object({ agent_id: z.string() }));
  const victim = agents.find((agent) => agent.id === holder);
  const heir = agents.find((agent) => agent.id !== holder);
  if (!victim || !heir) throw new Error(`the job is held by ${holder}, which is none of the two agents`);
  return { victim, heir };
}

function judge(
  steps: MetricItem[],
  { killedAtMs, startedAtMs, next }: { killedAtMs: number; startedAtMs: number; next: MetricItem },
  { leaseMs, intervalMs }: Clocks,
): Result[] {
  const first = steps.filter((item) => item.attempt === 1);
  const lost = first.filter((item) => item.step >= next.step);
  const lostSeconds = lost.length === 0 ? 0 : (killedAtMs - (lost[0]?.atMs ?? killedAtMs)) / 1000;
  const clocks = `lease ${String(leaseMs / 1000)} s, resume interval ${String(intervalMs / 1000)} s`;
  return [
    atMost(
      "recovery/new-process",
      (startedAtMs - killedAtMs) / 1000,
      "s",
      leaseMs / 1000 + SECONDS_OVER_LEASE,
      `SIGKILL of the agent to a trainer of this task at the other one; ${clocks}`,
    ),
    atMost(
      "recovery/lost",
      lostSeconds,
      "s of training",
      intervalMs / 1000,
      `${String(lost.length)} steps were trained again, of ${String(first.length)}; killed ${String(KILL_AT * 100)} % ` +
        `of an interval after a commit; ${clocks}`,
    ),
    told("recovery/first-new-step", (next.atMs - killedAtMs) / 1000, "s", `step ${String(next.step)}; ${clocks}`),
  ];
}
