/**
 * vLLM as an engine's model server: one process for the base model and its adapters, which are loaded into it while it
 * runs, and one for each deployment with weights of its own. A process starts when its first model is loaded; when one
 * ends by itself, all are started again.
 */
import type { LoadModel } from "../../../protocol";
import { bytesBelow } from "../cache-space";
import type { StatePaths } from "../paths";
import { ModelRefused, PATH_OF, type ModelServer } from "./model-server";
import type { ServerHost } from "./server-process";
import { startVllm, type VllmOptions, type VllmProcess } from "./vllm-process";

/** vLLM works on as many as its memory holds; what is over waits within it. */
const MAX_ACTIVE = 256;
const MAX_QUEUE = 256;
const BASE_NAME = "base";
const STOP_GRACE_MS = 10_000;
/** What a model needs beside its weights: its cache of keys and values, and what it computes in. */
const WEIGHTS_FACTOR = 1.2;
const WORK_BYTES = 4 * 1024 ** 3;
const MIN_SHARE = 0.05;
const MAX_SHARE = 0.92;

export interface VllmServerOptions {
  readonly executable: string;
  /** Of the base model: a folder, or an id of a hub. */
  readonly base: string;
  readonly gpus: readonly number[];
  /** Of all these GPUs. */
  readonly gpuBytes: number;
  /** What the engine's models are thought to need of it. */
  readonly memoryBytes: number;
  readonly paths: StatePaths;
}

interface Loaded {
  readonly process: VllmProcess;
  readonly form: LoadModel["form"];
}

export class VllmServer implements ModelServer {
  readonly device = "cuda";
  readonly versions = { server: "vllm" };
  readonly maxActive = MAX_ACTIVE;
  readonly maxQueue = MAX_QUEUE;
  readonly ended: Promise<string>;
  private readonly loaded = new Map<string, Loaded>();
  private readonly processes = new Set<VllmProcess>();
  private base: VllmProcess | null = null;
  private count = 0;
  private end: (why: string) => void = () => undefined;

  constructor(
    private readonly options: VllmServerOptions,
    private readonly host: ServerHost,
  ) {
    this.ended = new Promise((resolve) => (this.end = resolve));
  }

  async load({ id, form, path }: LoadModel, signal: AbortSignal): Promise<{ id: string }> {
    if (this.loaded.has(id)) return { id };
    if (form === "weights") {
      if (path === null) throw new ModelRefused("weights without a folder");
      const memoryShare = this.share((await bytesBelow(path)) * WEIGHTS_FACTOR + WORK_BYTES);
      const process = await this.start({ model: path, name: id, takesAdapters: false, memoryShare }, signal);
      this.loaded.set(id, { process, form });
      return { id };
    }
    const { base: model, memoryBytes } = this.options;
    const asked = { model, name: BASE_NAME, takesAdapters: true, memoryShare: this.share(memoryBytes) };
    this.base ??= await this.start(asked, signal);
    const { http } = this.base;
    if (form === "adapter") await http.command("/v1/load_lora_adapter", { lora_name: id, lora_path: path }, signal);
    this.loaded.set(id, { process: this.base, form });
    return { id };
  }

  async unload(id: string, signal: AbortSignal): Promise<void> {
    const loaded = this.loaded.get(id);
    this.loaded.delete(id);
    if (loaded?.form === "adapter") {
      await loaded.process.http.command("/v1/unload_lora_adapter", { lora_name: id }, signal);
    }
    if (loaded?.form !== "weights") return;
    this.processes.delete(loaded.process);
    await loaded.process.stop(STOP_GRACE_MS);
  }

  ask(...[endpoint, id, body, signal]: Parameters<ModelServer["ask"]>): ReturnType<ModelServer["ask"]> {
    const loaded = this.loaded.get(id);
    if (!loaded) throw new ModelRefused(`${id} is not loaded`);
    const model = loaded.form === "base" ? BASE_NAME : id;
    return loaded.process.http.post(PATH_OF[endpoint], { ...body, model }, signal);
  }

  async isUp(signal: AbortSignal): Promise<boolean> {
    const answers = await Promise.all([...this.processes].map(({ http }) => http.isUp(signal)));
    return answers.every(Boolean);
  }

  async stop(graceMs: number): Promise<void> {
    const processes = [...this.processes];
    this.processes.clear();
    this.end("it was stopped");
    await Promise.all(processes.map((process) => process.stop(graceMs)));
  }

  private async start(
    asked: Pick<VllmOptions, "model" | "name" | "takesAdapters" | "memoryShare">,
    signal: AbortSignal,
  ): Promise<VllmProcess> {
    const { executable, gpus, paths } = this.options;
    this.count += 1;
    const options = { ...asked, executable, gpus, maxActive: MAX_ACTIVE };
    const folders = paths.task(`${this.host.leaseId}.vllm-${this.count}`);
    const process = await startVllm(options, folders, this.host, signal);
    this.processes.add(process);
    void process.exited.then((why) => {
      if (this.processes.has(process)) this.end(why);
    });
    return process;
  }

  private share(bytes: number): number {
    const { gpuBytes } = this.options;
    return Math.min(MAX_SHARE, Math.max(MIN_SHARE, gpuBytes > 0 ? bytes / gpuBytes : MAX_SHARE));
  }
}
