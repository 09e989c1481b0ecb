/**
 * `<state dir>/credentials.json` (0600): what a person or a check needs to use this deployment. The account is created
 * once and kept over restarts; it is made anew only when the database no longer knows its key.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { apiClient } from "./api";
import type { ControlPlane } from "./control-plane";
import { createAccount, createAgentToken } from "./local-account";

export const credentials = z.object({
  url: z.string(),
  api_key: z.string(),
  account_id: z.string(),
  project_id: z.string(),
  admin_token: z.string(),
  agent_bootstrap_token: z.string(),
});
export type Credentials = z.infer<typeof credentials>;

export function credentialsFile(stateDir: string): string {
  return path.join(stateDir, "credentials.json");
}

/** The token's end is not among the keys that others rely on, so it stands in a file of its own. */
const tokenFile = z.object({ token: z.string(), expires_at_ms: z.number() });
/** A token nearer to its end than this is replaced at the start. */
const TOKEN_MIN_LEFT_MS = 7 * 24 * 3600 * 1000;

export async function writeCredentials(stateDir: string, plane: ControlPlane): Promise<Credentials> {
  const known = readJson(credentialsFile(stateDir), credentials);
  const isKept = known !== null && (await isKeyGood(plane.url, known.api_key));
  const account = isKept ? known : await createAccount(plane.url, plane.adminToken, "dev");
  const made: Credentials = {
    url: plane.url,
    api_key: account.api_key,
    account_id: account.account_id,
    project_id: account.project_id,
    admin_token: plane.adminToken,
    agent_bootstrap_token: await agentToken(stateDir, plane.url, account.api_key, isKept),
  };
  writePrivate(credentialsFile(stateDir), made);
  return made;
}

async function agentToken(stateDir: string, url: string, apiKey: string, isKept: boolean): Promise<string> {
  const file = path.join(stateDir, "agent-token.json");
  const known = isKept ? readJson(file, tokenFile) : null;
  if (known !== null && known.expires_at_ms - Date.now() > TOKEN_MIN_LEFT_MS) return known.token;
  const made = await createAgentToken(url, apiKey);
  writePrivate(file, { token: made.token, expires_at_ms: made.expiresAtMs });
  return made.token;
}

async function isKeyGood(url: string, apiKey: string): Promise<boolean> {
  const response = await apiClient(url, apiKey).send("GET", "/anneal/v1/projects?limit=1");
  await response.arrayBuffer();
  if (response.ok || response.status === 401) return response.ok;
  throw new Error(`the control plane answered ${String(response.status)} when asked about the kept account`);
}

function readJson<T>(file: string, shape: z.ZodType<T>): T | null {
  return existsSync(file) ? shape.parse(JSON.parse(readFileSync(file, "utf8"))) : null;
}

/** Whole or not at all: a reader never sees half a file. */
function writePrivate(file: string, value: object): void {
  const fresh = `${file}.new`;
  writeFileSync(fresh, `${JSON.stringify(value)}\n`, { mode: 0o600 });
  renameSync(fresh, file);
}
