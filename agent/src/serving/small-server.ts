/**
 * The small server of protocol/model-server.ts, for machines without CUDA and for what vLLM does not do. Loading of models
 * is its own; this starts it, waits until it says where it listens, and speaks with it.
 */
import { writeFile } from "node:fs/promises";
import { loadedModel, modelServerConfig, modelServerLine, type ModelServerConfig } from "../../../protocol";
import type { TaskPaths } from "../paths";
import type { TrainerCommand } from "../trainer-env";
import { readReportLines } from "../trainer-lines";
import type { TrainerProcess } from "../trainer-process";
import { LocalHttp } from "./local-http";
import { PATH_OF, ServerFailed, type ModelServer } from "./model-server";
import { describeExit, startServerProcess, type ServerHost } from "./server-process";

/** Importing torch from a cold disk takes tens of seconds. */
const READY_WITHIN_MS = 180_000;

export async function startSmallServer(
  config: ModelServerConfig,
  command: TrainerCommand,
  paths: TaskPaths,
  host: ServerHost,
  signal: AbortSignal,
): Promise<ModelServer> {
  await writeFile(paths.config, JSON.stringify(modelServerConfig.parse(config)));
  let port = 0;
  const http = new LocalHttp(() => `http://127.0.0.1:${port}`);
  const process = await startServerProcess(command, [paths.config], paths, { ANNEAL_SERVER_KEY: http.key }, host);
  const stop = async (graceMs: number): Promise<void> => {
    process.stop(graceMs);
    await process.exited;
    await http.close();
  };
  try {
    const ready = await untilReady(process, host, signal);
    port = ready.port;
    return {
      device: config.gpus.length > 0 ? "cuda" : "cpu",
      versions: ready.versions,
      maxActive: config.max_active,
      maxQueue: config.max_queue,
      load: async (model, abort) => loadedModel.parse(await http.command("/models/load", model, abort)),
      unload: async (id, abort) => void (await http.command("/models/unload", { id }, abort)),
      ask: (endpoint, id, body, abort) => http.post(PATH_OF[endpoint], { ...body, model: id }, abort),
      isUp: (abort) => http.isUp(abort),
      ended: process.exited.then(describeExit),
      stop,
    };
  } catch (error) {
    await stop(0);
    throw error;
  }
}

type Ready = Extract<ReturnType<typeof modelServerLine.parse>, { type: "ready" }>;

async function untilReady(process: TrainerProcess, { clock, log, leaseId }: ServerHost, stopping: AbortSignal) {
  const over = new AbortController();
  const said = new Promise<Ready>((resolve, reject) => {
    const follow = async (): Promise<void> => {
      for await (const read of readReportLines(process.reports, modelServerLine)) {
        if ("problem" in read) log.warn(`${leaseId}: a line of the model server was not understood: ${read.problem}`);
        else if (read.line.type === "ready") resolve(read.line);
        else reject(new ServerFailed(read.line.message));
      }
      reject(new ServerFailed(`${describeExit(await process.exited)} before it was ready; see its last lines`));
    };
    follow().catch(reject);
    void clock.sleep(READY_WITHIN_MS, AbortSignal.any([over.signal, stopping])).then(() => {
      reject(new ServerFailed(`the model server was not ready after ${READY_WITHIN_MS / 1000} s`));
    });
  });
  try {
    return await said;
  } finally {
    over.abort();
  }
}
