import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { trainerConfig } from "../../protocol";
import { addTask, ending, start, started, until, useBench, type Operation } from "./support";

const bench = useBench();

describe("a whole task", () => {
  it("registers, trains, reports in order, commits the final checkpoint, finishes and cleans up", async () => {
    const { api, dir } = bench();
    addTask(api);
    expect(await start(bench()).done).toBe(0);

    const state = api.only;
    expect(state.finish).toEqual({ outcome: "completed", step: 5 });
    expect(state.release).toBeNull();
    expect(state.data.map(({ type }) => type)).toEqual([
      "started",
      ...Array.from({ length: 5 }, () => ["metrics", "progress"]).flat(),
    ]);
    const steps = state.data.flatMap((item) => (item.type === "metrics" ? [item.step] : []));
    expect(steps).toEqual([1, 2, 3, 4, 5]);
    expect(state.logs.map(({ stream, line }) => [stream, line])).toEqual(
      [1, 2, 3, 4, 5].map((step) => ["stdout", `step ${step}`]),
    );
    expect(state.committed).toHaveLength(1);
    expect(state.committed[0]).toMatchObject({ kind: "final", step: 5, world_size: 1, versions: { scripted: "1" } });
    expect(state.committed[0]?.files.map(({ role, path }) => [role, path])).toEqual([["model", "model.tar.gz"]]);
    expect(state.heartbeats).toBeGreaterThan(0);
    expect(readdirSync(join(dir, "state/tasks"))).toEqual([]);
    expect(existsSync(join(dir, "state/agent.lock"))).toBe(false);
    expect(statSync(join(dir, "state/identity.json")).mode & 0o777).toBe(0o600);
  });

  it("gives the trainer a valid config and an environment without secrets", async () => {
    const { api, dir } = bench();
    addTask(api);
    const script = [started, { op: "tell_config" }, { op: "tell_environment" }, ...ending];
    const env = {
      PATH: process.env["PATH"],
      HOME: dir,
      HF_HOME: "/hub",
      HF_TOKEN: "secret",
      HUGGING_FACE_HUB_TOKEN: "secret",
      LAMBDA_API_KEY: "secret",
      PRIME_API_KEY: "secret",
      CUDA_HOME: "/cuda",
      ANNEAL_BOOTSTRAP_TOKEN: "secret",
      RUNPOD_API_KEY: "secret",
    };
    expect(await start(bench(), script, { env, torchThreads: 1 }).done).toBe(0);
    const [config = "", environment = ""] = api.only.logs.map(({ line }) => line);
    expect(trainerConfig.parse(JSON.parse(config))).toMatchObject({
      method: "grpo",
      resume_from: null,
      gpus: [],
      torch_threads: 1,
      resume_interval_seconds: 60,
      dataset: { format: "prompt", path: expect.stringMatching(/dataset\.jsonl$/) },
      functions: [{ id: "rf_1", weight: 1 }],
    });
    const given = JSON.parse(environment) as Record<string, string>;
    expect(environment).not.toMatch(/secret|bootstrap-token|agent-token/);
    expect(given).toMatchObject({
      HF_HOME: "/hub",
      CUDA_HOME: "/cuda",
      PYTHONUNBUFFERED: "1",
      PYTHONPATH: "/nowhere",
      TOKENIZERS_PARALLELISM: "false",
    });
  });

  it("fetches the dataset for an evaluation, and tells which weights the final ones are", async () => {
    const { api } = bench();
    const { inputs, spec } = addTask(api);
    api.queue.length = 0;
    const asked = {
      eval: { dataset_id: "ds2", every_steps: 3 },
      early_stop: { metric: "eval_loss", patience: 2, min_delta: 0 } as const,
    };
    const rows = api.files.offer(Buffer.from('{"prompt":"2+2="}\n'));
    addTask(api, {
      spec: { ...spec, ...asked },
      inputs: { ...inputs, eval_dataset: { ...rows, format: "prompt", name: "held.csv" } },
    });
    const best = { early_stopped: true, best_step: 3 };
    const script = [started, { op: "tell_config" }, { op: "checkpoint", kind: "final" }, { op: "finished", best }];
    expect(await start(bench(), script).done).toBe(0);
    expect(trainerConfig.parse(JSON.parse(api.only.logs[0]?.line ?? ""))).toMatchObject({
      eval: {
        dataset: { format: "prompt", path: expect.stringMatching(/eval-dataset\.csv$/) as string },
        split_percent: null,
        every_steps: 3,
      },
      early_stop: asked.early_stop,
    });
    expect(api.only.finish).toMatchObject({ outcome: "completed", ...best });
  });

  it("starts from a base checkpoint and from resume files", async () => {
    const { api, dir } = bench();
    const lease = addTask(api);
    expect(await start(bench()).done).toBe(0);
    const model = api.only.committed[0]?.files[0];
    if (!model) throw new Error("no model was committed");
    api.leases.clear();

    const offered = api.files.offer(api.bytesOf(model));
    const file = (path: string, text: string) => ({
      role: "resume" as const,
      path,
      ...api.files.offer(Buffer.from(text)),
    });
    addTask(api, {
      base_model: { kind: "job", job_id: lease.job_id },
      inputs: {
        ...lease.inputs,
        base_checkpoint: {
          checkpoint_id: "ckpt_1",
          step: 5,
          epoch: 1,
          files: [{ role: "model", path: "model.tar.gz", ...offered }],
        },
        resume: {
          checkpoint_id: "ckpt_2",
          step: 3,
          epoch: 1,
          files: [file("state.json", '{"step":3}'), file("rng/rng_state.pth", "rng")],
        },
      },
    });
    const script = [{ op: "tell_base" }, { op: "tell_resume" }, started, { op: "train", to: 5 }, ...ending];
    expect(await start({ ...bench(), dir: join(dir, "second") }, script).done).toBe(0);
    expect(api.only.logs.slice(0, 2).map(({ line }) => JSON.parse(line) as unknown)).toEqual([
      ["config.json", "model.safetensors"],
      ["rng", "rng/rng_state.pth", "state.json"],
    ]);
    expect(api.only.data[0]).toMatchObject({ type: "started", resumed_from_step: 3 });
    expect(api.only.finish).toEqual({ outcome: "completed", step: 5 });
  });

  it("fetches what it needs for tests, hands it to the trainer, and stores each test's table with its means", async () => {
    const { api, dir } = bench();
    const { inputs, spec } = addTask(api);
    api.queue.length = 0;
    const functions = [{ id: "shared:exact" }, { id: "rf_1" }];
    const offer = (text: string) => api.files.offer(Buffer.from(text));
    const source = (id: string, name: string) => ({
      ...offer("def exact(a, b, c): ..."),
      id,
      name,
      format: "test" as const,
    });
    addTask(api, {
      spec: { ...spec, downsample_percent: 50, test: { dataset_id: "ds2", functions } },
      inputs: {
        ...inputs,
        test: {
          dataset: { ...offer("text,label\na,b\n"), format: "text_label", name: "held.csv" },
          functions: [source("shared:exact", "exact"), source("rf_1", "other")],
          untested: [],
          is_trained: false,
        },
      },
    });
    const script = [
      started,
      { op: "tell_config" },
      { op: "train", to: 5 },
      { op: "checkpoint", kind: "final" },
      { op: "testing", done: 0, total: 1 },
      { op: "test", of: 5, rows: '{"exact":1}\n', results: { exact: 0.25 } },
      { op: "testing", done: 1, total: 1 },
      { op: "finished" },
    ];
    expect(await start(bench(), script).done).toBe(0);
    const config = trainerConfig.parse(JSON.parse(api.only.logs[0]?.line ?? ""));
    expect(config).toMatchObject({
      downsample_percent: 50,
      test: {
        dataset: { format: "text_label", path: expect.stringMatching(/test-dataset\.csv$/) as string },
        split_percent: null,
        functions: [
          { id: "shared:exact", name: "exact", format: "test" },
          { id: "rf_1", name: "other", format: "test" },
        ],
        checkpoints: [],
        is_trained: false,
      },
    });
    const paths = [...(config.test?.functions ?? []), ...("functions" in config ? config.functions : [])];
    expect(new Set(paths.map(({ path }) => path)).size).toBe(3);
    const [final, test] = api.only.committed;
    expect(final).toMatchObject({ kind: "final", step: 5 });
    expect(final).not.toHaveProperty("results");
    expect(test).toMatchObject({ kind: "test", step: 5, results: { exact: 0.25 } });
    expect(test?.files.map(({ role, path }) => [role, path])).toEqual([["results", "results.jsonl"]]);
    expect(test?.files[0] && api.bytesOf(test.files[0]).toString()).toBe('{"exact":1}\n');
    expect(api.only.data.filter(({ type }) => type === "testing")).toHaveLength(2);
    expect(api.only.finish).toMatchObject({ outcome: "completed", step: 5 });
    expect(readdirSync(join(dir, "state/tasks"))).toEqual([]);
  });

  it("stores what a preprocess task has made as one archive, which a training gets unpacked", async () => {
    const { api, dir } = bench();
    const { inputs } = addTask(api, { kind: "preprocess" });
    const cache = { "cache.json": "{}", "train/data-00000-of-00001.arrow": 3000 };
    const made: Operation[] = [{ op: "checkpoint", kind: "final", files: cache }, { op: "finished" }];
    expect(await start(bench(), [started, { op: "tell_config" }, ...made]).done).toBe(0);
    const told = trainerConfig.parse(JSON.parse(api.only.logs[0]?.line ?? ""));
    expect(told).toMatchObject({ task: "preprocess", preprocessed: null });
    const [file, ...others] = api.only.committed[0]?.files ?? [];
    if (!file) throw new Error("no cache was committed");
    expect(others).toEqual([]);
    expect(file).toMatchObject({ role: "cache", path: "cache.tar.gz" });
    expect(file.members?.map(({ path, size }) => [path, size])).toEqual([
      ["cache.json", 2],
      ["train/data-00000-of-00001.arrow", 3000],
    ]);
    const offered = { role: "cache" as const, path: "cache.tar.gz", ...api.files.offer(api.bytesOf(file)) };
    const preprocessed = { checkpoint_id: "ckpt_1", step: 0, epoch: 0, files: [offered] };
    api.leases.clear();

    addTask(api, { inputs: { ...inputs, preprocessed } });
    expect(await start({ ...bench(), dir: join(dir, "second") }, [{ op: "tell_preprocessed" }, ...ending]).done).toBe(
      0,
    );
    expect(JSON.parse(api.only.logs[0]?.line ?? "")).toEqual(["cache.json", "train"]);
    api.leases.clear();

    addTask(api, { inputs: { ...inputs, preprocessed: { ...preprocessed, files: [] } } });
    expect(await start({ ...bench(), dir: join(dir, "third") }).done).toBe(1);
    const message = expect.stringContaining("has no cache") as string;
    expect(api.only.finish).toMatchObject({ outcome: "failed", reason: "download_failed", message });
  });

  it("imports without a dataset, and stores the tokenizer beside the model, the same bytes each time", async () => {
    const { api, dir } = bench();
    const { inputs } = addTask(api);
    api.queue.length = 0;
    const parts = { files: { "model.safetensors": 2000 }, tokenizer: { "tokenizer.json": "{}" } };
    const script = [started, { op: "tell_config" }, { op: "checkpoint", kind: "final", ...parts }, { op: "finished" }];
    const digests: string[][] = [];
    for (const name of ["first", "second"]) {
      addTask(api, { kind: "import", inputs: { ...inputs, dataset: null } });
      expect(await start({ ...bench(), dir: join(dir, name) }, script).done).toBe(0);
      const config = trainerConfig.parse(JSON.parse(api.only.logs[0]?.line ?? ""));
      expect(config).toMatchObject({ task: "import", dataset: null });
      const files = api.only.committed[0]?.files ?? [];
      expect(files.map(({ role, path }) => [role, path])).toEqual([
        ["model", "model.tar.gz"],
        ["tokenizer", "tokenizer.tar.gz"],
      ]);
      digests.push(files.map(({ sha256 }) => sha256));
      api.leases.clear();
    }
    expect(digests[0]).toEqual(digests[1]);
  });

  it("tests the models of an earlier attempt, and completes without a final checkpoint of its own", async () => {
    const { api, dir } = bench();
    const first = addTask(api);
    expect(await start(bench()).done).toBe(0);
    const model = api.only.committed[0]?.files[0];
    if (!model) throw new Error("no model was committed");
    const bytes = api.bytesOf(model);
    api.leases.clear();
    const untested = [4, 5].map((step) => ({
      ...{ checkpoint_id: `ckpt_${step}`, step, epoch: step / 10 },
      files: [{ role: "model" as const, path: "model.tar.gz", ...api.files.offer(bytes) }],
    }));
    addTask(api, {
      spec: { ...first.spec, test: { split_percent: 20, functions: [] } },
      inputs: { ...first.inputs, test: { functions: [], untested, is_trained: true } },
    });
    const script = [
      { op: "tell_tests" },
      started,
      { op: "testing", done: 0, total: 2 },
      { op: "test", of: 4, results: {} },
      { op: "test", of: 5 },
      { op: "finished" },
    ];
    expect(await start({ ...bench(), dir: join(dir, "second") }, script).done).toBe(0);
    const files = ["config.json", "model.safetensors"];
    expect(JSON.parse(api.only.logs[0]?.line ?? "")).toEqual([
      [4, files],
      [5, files],
    ]);
    expect(api.only.committed.map(({ kind, step, results }) => [kind, step, results])).toEqual([
      ["test", 4, {}],
      ["test", 5, {}],
    ]);
    expect(api.only.finish).toEqual({ outcome: "completed", step: 5 });
    expect(readdirSync(join(dir, "second/state/tasks"))).toEqual([]);
  });

  it("fails an attempt whose test has no table", async () => {
    const { api } = bench();
    addTask(api);
    const script = [
      started,
      { op: "checkpoint", kind: "final" },
      { op: "checkpoint", kind: "test", files: { x: "" } },
      { op: "finished" },
    ];
    expect(await start(bench(), script).done).toBe(1);
    expect(api.only.finish).toMatchObject({ outcome: "failed", reason: "upload_failed" });
  });

  it("shows samples, events and notices, and outlives lines that are not in the protocol", async () => {
    const { api } = bench();
    addTask(api);
    const script = [
      started,
      { op: "raw", text: "no json\n" },
      { op: "raw", text: '{"type":"unheard_of"}\n' },
      { op: "raw_long", bytes: 1024 * 1024 + 10 },
      { op: "line", line: { type: "notice", message: "all is well" } },
      { op: "line", line: { type: "event", event_type: "sample_masked", metadata: { step: 1 } } },
      { op: "line", line: { type: "samples", step: 1, rows: [{ prompt: "1+1=", completion: "2", reward: 1 }] } },
      ...ending,
    ];
    expect(await start(bench(), script).done).toBe(0);
    const notices = api.only.data.flatMap((item) => (item.type === "notice" ? [item.message] : []));
    expect(notices).toEqual([
      expect.stringContaining("not JSON: no json"),
      expect.stringContaining("not understood"),
      expect.stringContaining("longer than 1048576 bytes"),
      "all is well",
    ]);
    expect(api.only.data).toContainEqual(
      expect.objectContaining({ type: "event", event_type: "sample_masked", metadata: { step: 1 } }),
    );
    expect(api.only.logs).toContainEqual(
      expect.objectContaining({ stream: "agent", line: 'step 1, reward 1: "1+1=" -> "2"' }),
    );
  });

  it("takes the next task by a wake-up over the socket, and renews its token", async () => {
    const { api } = bench();
    const agent = start(bench(), undefined, { once: false });
    await until(
      () => api.sockets.length === 1 && api.claims.some(({ wait_ms: waitMs }) => waitMs === 0),
      "an idle agent",
    );
    const other = addTask(api);
    const lease = addTask(api);
    api.renewedToken = "agent-token-2";
    api.push({ type: "wake", task_id: lease.task_id });
    await until(() => [...api.leases.values()].filter(({ finish }) => finish !== null).length === 2, "both tasks");
    expect(api.claims.find(({ task_id: id }) => id !== undefined)?.task_id).toBe(lease.task_id);
    expect([...api.leases.keys()]).toEqual([lease.lease_id, other.lease_id]);
    api.push("not a message");
    api.push({ type: "drain" });
    expect(await agent.done).toBe(0);
    expect(new Set(api.claims.map(({ claim_id: id }) => id)).size).toBe(api.claims.length);
  });
});
