/**
 * One process of vLLM's OpenAI server: with the engine's base model and its adapters, or with weights of their own. Its
 * folders, which hold its output and its process's record, go when it ends.
 */
import { rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import type { TaskPaths } from "../paths";
import type { TrainerProcess } from "../trainer-process";
import { LocalHttp } from "./local-http";
import { ModelRefused } from "./model-server";
import { describeExit, startServerProcess, type ServerHost } from "./server-process";

/** A large model may have to come from its hub first, and its kernels are compiled. */
const READY_WITHIN_MS = 1_800_000;
const LOOK_EVERY_MS = 500;
/** vLLM's largest ranks below this are served as they are; a larger one costs memory for every adapter. */
const MAX_LORA_RANK = 128;
const MAX_LORAS = 8;

/**
 * vLLM knows nothing of the life pipe: a shell beside it ends the whole group when the agent is gone. `exec` makes vLLM the
 * group's leader, which gets our SIGTERM.
 */
const WITH_LIFE = '(read -r _ <&"$ANNEAL_LIFE_FD"; kill -KILL 0) & exec "$@"';

export interface VllmOptions {
  readonly executable: string;
  /** A folder, or an id of a hub. */
  readonly model: string;
  /** By which requests name the model itself. */
  readonly name: string;
  readonly takesAdapters: boolean;
  readonly gpus: readonly number[];
  /** Of the memory of each GPU. */
  readonly memoryShare: number;
  readonly maxActive: number;
}

export interface VllmProcess {
  readonly http: LocalHttp;
  readonly exited: Promise<string>;
  stop(graceMs: number): Promise<void>;
}

/** Resolves when it answers. A ModelRefused when it ends instead: this model cannot be served so. */
export async function startVllm(
  options: VllmOptions,
  paths: TaskPaths,
  host: ServerHost,
  signal: AbortSignal,
): Promise<VllmProcess> {
  const port = await freePort();
  const http = new LocalHttp(() => `http://127.0.0.1:${port}`);
  const command = { command: "/bin/sh", args: ["-c", WITH_LIFE, "sh", options.executable], pythonPath: "" };
  const process = await startServerProcess(command, vllmArguments(options, port), paths, vllmEnv(options, http), host);
  const exited = process.exited.then(async (exit) => {
    await Promise.all([http.close(), rm(paths.root, { recursive: true, force: true })]);
    return describeExit(exit);
  });
  const stop = async (graceMs: number): Promise<void> => {
    process.stop(graceMs);
    await exited;
  };
  try {
    await untilUp(http, process, host, signal);
  } catch (error) {
    await stop(0);
    throw error;
  }
  return { http, exited, stop };
}

export function vllmArguments(options: VllmOptions, port: number): string[] {
  const { model, name, takesAdapters, gpus, memoryShare, maxActive } = options;
  return [
    ...["serve", model, "--served-model-name", name],
    ...["--host", "127.0.0.1", "--port", String(port)],
    ...["--tensor-parallel-size", String(gpus.length), "--gpu-memory-utilization", memoryShare.toFixed(2)],
    ...["--max-num-seqs", String(maxActive)],
    ...(takesAdapters ? ["--enable-lora", "--max-lora-rank", String(MAX_LORA_RANK)] : []),
    ...(takesAdapters ? ["--max-loras", String(MAX_LORAS)] : []),
  ];
}

/** Its key goes by the environment: arguments are seen by all. The task's own TMPDIR is too long a path for its sockets. */
function vllmEnv({ gpus, takesAdapters }: VllmOptions, { key }: LocalHttp): Record<string, string> {
  return {
    VLLM_API_KEY: key,
    CUDA_VISIBLE_DEVICES: gpus.join(","),
    VLLM_NO_USAGE_STATS: "1",
    VLLM_RPC_BASE_PATH: tmpdir(),
    ...(takesAdapters && { VLLM_ALLOW_RUNTIME_LORA_UPDATING: "True" }),
  };
}

async function untilUp(
  http: LocalHttp,
  process: TrainerProcess,
  { clock }: ServerHost,
  signal: AbortSignal,
): Promise<void> {
  const over = new AbortController();
  const exited = process.exited.then((exit) => {
    over.abort();
    return exit;
  });
  const waiting = AbortSignal.any([over.signal, signal]);
  const endAtMs = clock.now() + READY_WITHIN_MS;
  while (!waiting.aborted) {
    if (await http.isUp(waiting)) return;
    if (clock.now() >= endAtMs) throw new ModelRefused(`vLLM did not answer within ${READY_WITHIN_MS / 1000} s`);
    await clock.sleep(LOOK_EVERY_MS, waiting);
  }
  signal.throwIfAborted();
  throw new ModelRefused(`${describeExit(await exited)} before it served the model; see the end of its log`);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port is free");
  return address.port;
}
