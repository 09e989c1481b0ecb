/** A job paused in mid-training and resumed: the trainer saves where it stands, and each step is trained once. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { z } from "zod";
import { preparePython } from "../../scripts/python-env";
import { startAgent, type AgentProcess } from "../harness/agent-process";
import { createJob, jsonLines, readEvents, readJob, uploadDataset, waitFor, waitUntilEnded } from "../harness/jobs";
import { startPlane, type TestAccount, type TestPlane } from "../harness/plane";

const STEPS = 300;
/** A trainer imports for ten seconds when the machine is idle. */
const START_MS = 120_000;

let plane: TestPlane;
let account: TestAccount;
let agent: AgentProcess;

beforeAll(async () => {
  await preparePython();
  // No checkpoint by the clock: what is resumed is what the pause has saved.
  plane = await startPlane({ heartbeatMs: 500, leaseMs: 10_000, resumeIntervalMs: 600_000 });
  account = await plane.account("pause");
  agent = startAgent({ url: plane.url, token: account.agentToken, name: "only" });
});

afterAll(async () => {
  await agent.dispose();
  await plane.close();
});

const metrics = z.object({
  metrics: z.array(z.object({ step: z.number(), attempt: z.number() })),
  latest_step: z.number().nullable(),
});

it("goes on exactly where it was paused", async () => {
  const { client } = account;
  const rows = Array.from({ length: 100 }, (_, n) => ({ prompt: `${String(n)}+1=`, completion: String(n + 1) }));
  const id = await createJob(client, {
    method: "sft_text",
    dataset_id: await uploadDataset(client, "sums", jsonLines(rows)),
    hyperparameters: { learning_rate: 0.001, max_steps: STEPS, batch_size: 8, max_seq_length: 32 },
  });
  const curve = () => client.get(`/anneal/v1/jobs/${id}/metrics?keys=loss&max_points=10000`, metrics);
  await waitFor("the first steps", START_MS, async () => (((await curve()).latest_step ?? 0) > 5 ? true : null));
  await client.post(`/anneal/v1/jobs/${id}/pause`, {}, z.object({}));
  await waitFor("the pause", 30_000, async () => ((await readJob(client, id)).status === "paused" ? true : null));

  const pausedAt = (await curve()).latest_step ?? 0;
  expect(pausedAt).toBeLessThan(STEPS);
  const saved = (await readEvents(client, id)).filter((event) => event.event_type === "checkpoint_committed");
  expect(saved.map((event) => event.metadata["step"])).toEqual([pausedAt]);

  await client.post(`/anneal/v1/jobs/${id}/resume`, {}, z.object({}));
  const job = await waitUntilEnded(client, id, START_MS);
  expect(job, job.log_tail.join("\n")).toMatchObject({ status: "completed", attempt: 2 });
  const points = (await curve()).metrics;
  expect(points.map((point) => point.step)).toEqual(Array.from({ length: STEPS }, (_, n) => n + 1));
  expect(points.find((point) => point.attempt === 2)?.step).toBe(pausedAt + 1);
  const types = (await readEvents(client, id)).map((event) => event.event_type);
  expect(types.filter((type) => ["attempt_lost", "requeued", "paused", "resumed", "completed"].includes(type))).toEqual(
    ["paused", "resumed", "completed"],
  );
});
