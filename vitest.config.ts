/**
 * Four kinds of tests: `workers` runs inside workerd with the worker's own configuration, `streams` inside workerd with an
 * object that has only streams in it, `node` in plain Node, `e2e` in Node against whole processes.
 */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig, defineProject } from "vitest/config";
import { parse } from "yaml";

/** What a deployment sets as secrets: any 32 bytes do here. */
const TEST_SECRETS = {
  ANNEAL_ADMIN_TOKEN: "test-admin-token-of-at-least-32-bytes",
  ANNEAL_SIGNING_KEY: "test-signing-key-of-at-least-32-bytes",
  ANNEAL_DEPLOYMENT: "dev",
  ANNEAL_SUBSTITUTE_GPUS: "true",
};

/** The maker's document for tests inside workerd, which have no files of ours; empty where it is not to be had. */
function emissaryContract(): string {
  const shared = path.resolve(import.meta.dirname, process.env["ANNEAL_SHARED_DIR"] ?? "../shared");
  const file = path.join(shared, "contracts", "emissary.openapi.fixed.yaml");
  return existsSync(file) ? JSON.stringify(parse(readFileSync(file, "utf8"))) : "";
}

export default defineConfig({
  test: {
    projects: [
      async () => {
        const migrations = await readD1Migrations(path.join(import.meta.dirname, "migrations"));
        return defineProject({
          plugins: [
            cloudflareTest({
              wrangler: { configPath: "./wrangler.toml" },
              miniflare: {
                bindings: {
                  ...TEST_SECRETS,
                  TEST_MIGRATIONS: migrations,
                  TEST_EMISSARY_CONTRACT: emissaryContract(),
                },
              },
            }),
          ],
          test: {
            name: "workers",
            include: ["test/{objects,http,conformance,stores,services}/**/*.test.ts"],
            setupFiles: ["./test/setup.ts"],
          },
        });
      },
      {
        plugins: [cloudflareTest({ wrangler: { configPath: "./test/streams/fixture/wrangler.toml" } })],
        test: {
          name: "streams",
          include: ["test/streams/**/*.test.ts"],
          // A property is many runs, and all of them share two cores with whatever else is tested.
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: "node",
          environment: "node",
          include: ["test/{agent,domain,cli,tooling}/**/*.test.ts"],
          // An agent's test starts whole processes, on two cores that others use too.
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: "e2e",
          environment: "node",
          include: ["test/e2e/**/*.test.ts"],
          // Real processes, real training: minutes. Half of that is waiting (for leases to expire, for what is killed to end),
          // so three files share two cores.
          testTimeout: 300_000,
          hookTimeout: 120_000,
          maxWorkers: 3,
        },
      },
    ],
  },
});
