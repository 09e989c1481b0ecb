/** A deployment without good secrets is refused before anything is built or sent. */
import { describe, expect, it } from "vitest";
import { writeDeployConfig } from "../../scripts/deploy/config";
import { run, type Outcome } from "../../scripts/processes";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { z } from "zod";

const GOOD = "0123456789abcdef0123456789abcdef";

function deploy(env: Record<string, string>): Promise<Outcome> {
  return run(process.execPath, ["--import", "tsx", "scripts/deploy.ts"], {
    env: { ANNEAL_ADMIN_TOKEN: "", ANNEAL_SIGNING_KEY: "", CLOUDFLARE_API_TOKEN: "", ...env },
  });
}

describe("npm run deploy", () => {
  it.each([
    ["no secrets", {}, "ANNEAL_ADMIN_TOKEN is not set"],
    [
      "a short admin token",
      { ANNEAL_ADMIN_TOKEN: "secret", ANNEAL_SIGNING_KEY: GOOD },
      "ANNEAL_ADMIN_TOKEN has 6 bytes",
    ],
    ["no signing key", { ANNEAL_ADMIN_TOKEN: GOOD }, "ANNEAL_SIGNING_KEY is not set"],
  ])(
    "refuses with %s",
    async (_, env, sentence) => {
      const outcome = await deploy(env);
      expect(outcome.code).toBe(1);
      expect(outcome.stderr).toContain(sentence);
      expect(outcome.stderr).not.toContain("secret,");
      expect(outcome.stdout).toBe("");
    },
    60_000,
  );
});

describe("the configuration of a deployment", () => {
  it("is wrangler.toml with the real database's id, and finds its files from where it is written", () => {
    const dist = mkdtempSync(path.join(os.tmpdir(), "anneal-deploy-"));
    const file = writeDeployConfig(dist, "11111111-2222-4333-8444-555555555555");
    const shape = z.object({
      main: z.string(),
      assets: z.object({ directory: z.string() }),
      d1_databases: z.tuple([z.object({ database_id: z.string(), migrations_dir: z.string() })]),
    });
    const made = shape.parse(JSON.parse(readFileSync(file, "utf8")));
    rmSync(dist, { recursive: true });
    const [database] = made.d1_databases;
    expect(database.database_id).toBe("11111111-2222-4333-8444-555555555555");
    expect(path.isAbsolute(made.main) && path.isAbsolute(made.assets.directory)).toBe(true);
    expect(path.resolve(dist, database.migrations_dir)).toBe(path.resolve("migrations"));
  });
});
