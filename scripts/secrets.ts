/** The local deployment's own secrets, made once and kept in its state directory, readable by its owner only. */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";

/** What the worker asks for at the least; `npm run deploy` refuses less. */
export const MIN_SECRET_BYTES = 32;

const localSecrets = z.object({
  admin_token: z.string().min(MIN_SECRET_BYTES),
  signing_key: z.string().min(MIN_SECRET_BYTES),
});
export type LocalSecrets = z.infer<typeof localSecrets>;

export function readOrMakeSecrets(stateDir: string): LocalSecrets {
  const file = path.join(stateDir, "secrets.json");
  if (existsSync(file)) return localSecrets.parse(JSON.parse(readFileSync(file, "utf8")));
  const secrets = {
    admin_token: randomBytes(MIN_SECRET_BYTES).toString("hex"),
    signing_key: randomBytes(MIN_SECRET_BYTES).toString("hex"),
  };
  writeFileSync(file, `${JSON.stringify(secrets)}\n`, { mode: 0o600 });
  return secrets;
}
