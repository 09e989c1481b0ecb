/** `npm run dev` as the operations contract has it: credentials, ready, an end without leftovers, a restart that goes on. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { apiClient } from "../../scripts/api";
import { root } from "../../scripts/env";
import { uploadDataset, waitFor } from "../harness/jobs";
import { commandsWith } from "../harness/processes";

const START_MS = 120_000;
/** The agent is asked to drain first. */
const STOP_MS = 60_000;

const credentials = z.strictObject({
  url: z.string(),
  api_key: z.string().startsWith("sk-"),
  account_id: z.string(),
  project_id: z.string(),
  admin_token: z.string().min(32),
  agent_bootstrap_token: z.string(),
});

let stateDir: string;
let port: number;
const started: ChildProcess[] = [];

beforeAll(async () => {
  stateDir = mkdtempSync(path.join(os.tmpdir(), "anneal-dev-"));
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  port = (server.address() as AddressInfo).port;
  server.close();
});

afterAll(() => {
  for (const child of started) child.kill("SIGKILL");
  rmSync(stateDir, { recursive: true, force: true });
});

interface Dev {
  child: ChildProcess;
  output(): string;
}

function startDev(args: string[], env: Record<string, string> = {}): Dev {
  const child = spawn("npm", ["run", "--silent", "dev", "--", ...args], {
    cwd: root,
    env: { ...process.env, ANNEAL_STATE_DIR: stateDir, ANNEAL_PORT: String(port), ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  started.push(child);
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (more: string) => {
    text += more;
  });
  return { child, output: () => text };
}

async function waitUntilReady({ child, output }: Dev): Promise<void> {
  await waitFor("ready", START_MS, () => {
    if (child.exitCode !== null) throw new Error(`dev ended with ${String(child.exitCode)}`);
    return output().includes(`ready http://127.0.0.1:${String(port)}\n`) ? true : null;
  });
}

/** Everything that was started for this state directory has its path in the command line. */
function leftovers(): string[] {
  return [...commandsWith(stateDir), ...commandsWith(`127.0.0.1:${String(port)}`)];
}

async function stop({ child }: Dev): Promise<number | null> {
  child.kill("SIGTERM");
  return waitFor("dev's end", STOP_MS, () => child.exitCode ?? (child.signalCode === null ? null : -1));
}

/** Of tokens besides our own, with its keys on this machine. */
async function startIssuer() {
  const { publicKey, privateKey } = await generateKeyPair("RS256");
  const keys = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: "theirs", alg: "RS256" }] });
  const server = createHttpServer((_, response) => response.end(keys)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  const names = { ANNEAL_JWT_ISSUER: url, ANNEAL_JWT_JWKS_URL: `${url}/keys`, ANNEAL_JWT_ALGORITHMS: "ES256,RS256" };
  return {
    variables: { ...names, ANNEAL_JWT_AUDIENCE: "anneal" },
    token: () =>
      new SignJWT({ sub: "someone" })
        .setProtectedHeader({ alg: "RS256", kid: "theirs" })
        .setIssuer(url)
        .setAudience("anneal")
        .setExpirationTime("5m")
        .sign(privateKey),
    close: () => server.close(),
  };
}

function readCredentials(): z.infer<typeof credentials> {
  return credentials.parse(JSON.parse(readFileSync(path.join(stateDir, "credentials.json"), "utf8")));
}

describe("npm run dev", () => {
  let datasetId: string;
  let first: z.infer<typeof credentials>;

  it("serves with an agent that is registered, and writes credentials for its owner only", async () => {
    const dev = startDev([]);
    await waitUntilReady(dev);
    first = readCredentials();
    expect(first.url).toBe(`http://127.0.0.1:${String(port)}`);
    expect(statSync(path.join(stateDir, "credentials.json")).mode & 0o777).toBe(0o600);
    const client = apiClient(first.url, first.api_key);
    const agents = await client.get("/anneal/v1/agents", z.object({ data: z.array(z.unknown()) }));
    expect(agents.data).toHaveLength(1);
    datasetId = await uploadDataset(client, "kept", '{"prompt":"1+1=","answer":"2"}\n');
    expect(leftovers().length).toBeGreaterThan(0);
    expect(await stop(dev)).toBe(0);
    expect(leftovers()).toEqual([]);
  });

  it("goes on with the same account and data after a restart, without an agent when asked, and with an issuer that is set", async () => {
    const issuer = await startIssuer();
    const dev = startDev(["--no-agent"], { ...issuer.variables, ANNEAL_JWT_ACCOUNT: first.account_id });
    await waitUntilReady(dev);
    expect(readCredentials()).toEqual(first);
    const client = apiClient(first.url, first.api_key);
    expect(await client.get(`/v1/datasets/${datasetId}`, z.object({ name: z.string() }))).toEqual({ name: "kept" });
    const outside = apiClient(first.url, await issuer.token());
    expect(await outside.get(`/v1/datasets/${datasetId}`, z.object({ name: z.string() }))).toEqual({ name: "kept" });
    issuer.close();
    expect(leftovers().some((command) => command.includes("agent/src/main.ts"))).toBe(false);
    expect(await stop(dev)).toBe(0);
    expect(leftovers()).toEqual([]);
  });
});
