/** The server of bench/servers run by hand, with nothing of ours around it: what requests through the API are compared with. */
import { spawn } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { modelServerLine } from "../protocol";
import { root } from "../scripts/env";
import type { ChatTarget } from "../test/harness/paced-chat";

/** For an agent's `env`. */
export const PACED_SERVER_DIR = path.join(root, "bench", "servers");
const REPORT_FD = 3;
const LIFE_FD = 4;
const KEY = "direct";
const MODEL = "paced";

export interface PacedServer extends ChatTarget {
  stop(): void;
}

/** Gives it when it listens and has its model loaded. It ends with this process at the latest. */
export async function startPacedServer(python: string, workDir: string): Promise<PacedServer> {
  const config = path.join(mkdtempSync(path.join(workDir, "paced-")), "config.json");
  writeFileSync(config, "{}");
  const child = spawn(python, ["-m", "anneal_server", config], {
    stdio: ["ignore", "inherit", "inherit", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"],
      PYTHONPATH: PACED_SERVER_DIR,
      ANNEAL_REPORT_FD: String(REPORT_FD),
      ANNEAL_LIFE_FD: String(LIFE_FD),
      ANNEAL_SERVER_KEY: KEY,
    },
  });
  const reports = child.stdio[REPORT_FD];
  if (!(reports instanceof Readable)) throw new Error("the paced server has no report pipe");
  for await (const text of createInterface({ input: reports })) {
    const line = modelServerLine.parse(JSON.parse(text));
    if (line.type !== "ready") throw new Error(`the paced server failed: ${line.message}`);
    const url = `http://127.0.0.1:${String(line.port)}`;
    const loaded = await fetch(`${url}/models/load`, {
      method: "POST",
      headers: { authorization: `Bearer ${KEY}` },
      body: JSON.stringify({ id: MODEL, form: "base", path: null }),
    });
    if (!loaded.ok) throw new Error(`the paced server loads nothing: ${await loaded.text()}`);
    return { url, key: KEY, model: MODEL, stop: () => void child.kill("SIGKILL") };
  }
  throw new Error("the paced server ended");
}
