/** Which deployment, and by which right: the environment first, then `<state dir>/credentials.json` (DESIGN §7). */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { root } from "../env";
import { CliFailure } from "./failure";

const credentialsFile = z.object({
  url: z.string(),
  api_key: z.string().optional(),
  admin_token: z.string().optional(),
});

export interface Credentials {
  url: string;
  apiKey: () => string;
  adminToken: () => string;
}

export function readCredentials(): Credentials {
  const file = path.join(
    path.resolve(process.env["ANNEAL_STATE_DIR"] ?? path.join(root, ".anneal")),
    "credentials.json",
  );
  const stored = existsSync(file) ? credentialsFile.parse(JSON.parse(readFileSync(file, "utf8"))) : null;
  const url = process.env["ANNEAL_URL"] ?? stored?.url;
  if (url === undefined) {
    throw new CliFailure(`no deployment is known: start \`npm run dev\` (it writes ${file}) or set ANNEAL_URL`);
  }
  return {
    url: url.replace(/\/+$/, ""),
    apiKey: () => needed(process.env["ANNEAL_API_KEY"] ?? stored?.api_key, "ANNEAL_API_KEY", file),
    adminToken: () => needed(process.env["ANNEAL_ADMIN_TOKEN"] ?? stored?.admin_token, "ANNEAL_ADMIN_TOKEN", file),
  };
}

function needed(value: string | undefined, variable: string, file: string): string {
  if (value === undefined || value === "") throw new CliFailure(`${variable} is not set and ${file} has none`);
  return value;
}
