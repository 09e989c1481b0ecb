/**
 * The Training Module by curl alone, as its docs have it, on real data: a model is imported, data is uploaded, preprocessed
 * and trained on, and what is downloaded opens. A second session finds the preprocessed data again.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { sharedDir } from "../../scripts/env";
import { run } from "../../scripts/processes";
import { preparePython } from "../../scripts/python-env";
import { startAgent, type AgentProcess } from "../harness/agent-process";
import { waitFor } from "../harness/jobs";
import { startPlane, type TestAccount, type TestPlane } from "../harness/plane";

const data = (name: string): string => path.join(sharedDir(), "data", `banking77-${name}.csv`);
const isThere = existsSync(data("train")) && existsSync(data("test"));
const INTENTS = ["card_arrival", "exchange_rate", "lost_or_stolen_card"];
const END_MS = 120_000;
/** What the trained model says of a question, and whether the imported tokenizer opens too. */
const OPEN = [
  "import sys",
  "from transformers import AutoModelForSequenceClassification, AutoTokenizer",
  "model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1])",
  "question = AutoTokenizer.from_pretrained(sys.argv[1])('Where is my card?', return_tensors='pt')",
  "AutoTokenizer.from_pretrained(sys.argv[2])",
  "print(model.config.id2label[int(model(**question).logits.argmax())])",
].join("\n");

let python: string;
let plane: TestPlane;
let account: TestAccount;
let agent: AgentProcess;
const dir = mkdtempSync(path.join(os.tmpdir(), "anneal-module-"));
let key: string;
/** The imported model, as a base that any session may name. */
let imported: string;

beforeAll(async () => {
  python = await preparePython();
  plane = await startPlane({ heartbeatMs: 500, leaseMs: 15_000, resumeIntervalMs: 600_000 });
  account = await plane.account("module");
  agent = startAgent({ url: plane.url, token: account.agentToken, name: "only" });
});

afterAll(async () => {
  await agent.dispose();
  await plane.close();
  rmSync(dir, { recursive: true });
});

async function curl(...args: string[]): Promise<string> {
  const outcome = await run("curl", ["-sS", "--fail-with-body", "-H", `X-API-Key: ${account.api_key}`, ...args]);
  if (outcome.code !== 0) throw new Error(`curl ${args.join(" ")}: ${outcome.stdout}${outcome.stderr}`);
  return outcome.stdout;
}

const status = z
  .object({ status: z.string(), message: z.string(), import_status: z.string(), key: z.string().optional() })
  .loose();

/** The path, then what else curl is to be told. */
async function call(route: string, ...args: string[]): Promise<z.infer<typeof status>> {
  return status.parse(JSON.parse(await curl(...args, plane.url + route)));
}

const post = (route: string, ...args: string[]) => call(route, "-X", "POST", ...args);

function configure(config: Record<string, unknown>) {
  return post(`/parameters/${key}`, "-H", "Content-Type: application/json", "-d", JSON.stringify(config));
}

function until(route: string, field: "status" | "import_status", wanted: string) {
  return waitFor(`${field} ${wanted}`, END_MS, async () => {
    const found = await call(route);
    if (found[field] === wanted) return found;
    if (found[field] !== "failed") return null;
    throw new Error(`${found.message}\n${agent.log()}`);
  });
}

/** So many questions of each of three intents. */
function subset(name: "train" | "test", count: number): string {
  const [header = "", ...rows] = readFileSync(data(name), "utf8").trim().split("\n");
  const chosen = INTENTS.flatMap((intent) => rows.filter((row) => row.trim().endsWith(`,${intent}`)).slice(0, count));
  const file = path.join(dir, `${name}.csv`);
  writeFileSync(file, `${[header, ...chosen].join("\n")}\n`);
  return file;
}

const upload = () =>
  post(
    `/upload_dataset/${key}`,
    ...["-F", `train_file=@${subset("train", 24)}`, "-F", `test_file=@${subset("test", 8)}`],
  );

async function unpacked(route: string, name: string): Promise<string> {
  const archive = path.join(dir, `${name}.tar.gz`);
  const into = path.join(dir, name);
  mkdirSync(into);
  await curl("-o", archive, plane.url + route);
  const tar = await run("tar", ["-xzf", archive, "-C", into]);
  expect([tar.code, tar.stderr]).toEqual([0, ""]);
  return into;
}

const CONFIG = {
  task_type: "classification",
  batch_size: 8,
  epochs: 2,
  eval_metrics: ["accuracy", "f1"],
  epochs_per_test_run: 1,
  learning_rate: 0.001,
  seed: 7,
  init_eval: true,
  cache_dir: "banking",
};

describe.skipIf(!isThere)("the Training Module (needs banking77-*.csv in ANNEAL_SHARED_DIR)", () => {
  it("trains on uploaded data what it has imported, and everything that it lets download opens", async () => {
    expect((await call("/status")).status).toBe("none");
    key = (await call("/start_session")).key ?? "";
    await post(`/import_model/${key}?model_type=classification&model_name=anneal/tiny-bert`);
    expect(await configure({ ...CONFIG, model: "anneal/tiny-bert" })).toMatchObject({ status: "setup" });
    expect(await call("/parameters")).toMatchObject({ key, config: CONFIG });
    expect((await upload()).status).toBe("setup");
    await until("/import_status", "import_status", "imported");
    expect((await post(`/preprocess/${key}`)).status).toBe("preprocessing");
    await until("/preprocess_status", "status", "preprocessed");
    expect((await post(`/training/start/${key}`)).status).toBe("training");
    await until("/status", "status", "trained");
    expect(await call(`/monitor/${key}`)).toMatchObject({ info: { step: 18, total_steps: 18, epoch: 2 } });
    expect(await call(`/model_ready/${key}`)).toMatchObject({ status: "trained", ready: true });

    const tests = { accuracy: expect.any(Number) as number, f1: expect.any(Number) as number };
    expect(JSON.parse(await curl(`${plane.url}/download_results/${key}`))).toMatchObject({
      initial: tests,
      tests: [
        { epoch: 1, metrics: tests },
        { epoch: 2, metrics: tests },
      ],
    });
    const model = await unpacked(`/download_model/${key}`, "model");
    const tokenizer = await unpacked(`/get_imported_model/${key}?tokenizer=1`, "tokenizer");
    const said = await run(python, ["-c", OPEN, model, tokenizer]);
    expect(INTENTS, said.stderr).toContain(said.stdout.trim());
    const onDisk = z
      .object({ path: z.string(), url: z.url() })
      .parse(await call(`/get_imported_model/${key}?on_disk=1`));
    imported = onDisk.path.split("/")[0] ?? "";
    expect(Buffer.byteLength(await curl("-r", "0-9", onDisk.url), "latin1")).toBeGreaterThan(0);
  });

  it("finds the same data preprocessed under its cache's name, and does nothing twice", async () => {
    const refused = await run("curl", ["-sS", "-H", `X-API-Key: ${account.api_key}`, `${plane.url}/start_session`]);
    expect(JSON.parse(refused.stdout)).toEqual({ detail: expect.stringContaining("force_restart") as string });
    const old = key;
    key = (await call("/start_session?force_restart=1")).key ?? "";
    expect(key).not.toBe(old);
    await configure({ ...CONFIG, model: imported });
    await upload();
    expect((await post(`/preprocess/${key}`)).status).toBe("preprocessed");
    expect((await post(`/training/start/${key}`)).status).toBe("training");
    expect((await post(`/training/stop/${key}`)).status).toBe("stopped");
  });
});
