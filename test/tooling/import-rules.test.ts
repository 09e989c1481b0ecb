/** Every rule of the import table bites: violations are planted in a copy of the tree and each must be caught. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { root } from "../../scripts/env";
import { run, type Outcome } from "../../scripts/processes";

/** rule → a file that breaks it, and what it imports. */
const PLANTED: Record<string, [file: string, target: string]> = {
  "protocol-is-alone": ["protocol/planted.ts", "../worker/domain/ids"],
  "domain-is-pure": ["worker/domain/planted.ts", "../stores/schema"],
  "services-get-ports": ["worker/services/planted.ts", "../stores/job-store"],
  "stores-below-services": ["worker/stores/planted.ts", "../services/services"],
  "streams-are-plain": ["worker/streams/planted.ts", "../stores/schema"],
  "relay-is-plain": ["worker/relay/planted.ts", "../stores/schema"],
  "objects-are-thin": ["worker/objects/planted.ts", "../http/auth"],
  "queues-carry-ids": ["worker/queues/planted.ts", "../stores/job-store"],
  "providers-behind-a-port": ["worker/providers/planted.ts", "../services/services"],
  "http-is-shared": ["worker/http/planted.ts", "../dialects/planted/target"],
  "dialect-to-services-only": ["worker/dialects/planted/store.ts", "../../stores/schema"],
  "no-dialect-to-dialect": ["worker/dialects/planted/other.ts", "../planted-too/target"],
  "agent-api-is-an-edge": ["worker/agent-api/planted.ts", "../streams/schema"],
  "admin-api-is-an-edge": ["worker/admin-api/planted.ts", "../dialects/planted/target"],
  "only-container-builds-stores": ["worker/planted-app.ts", "./stores/schema"],
  "only-container-builds-queues": ["worker/planted-queue-user.ts", "./queues/planted-target"],
  "only-container-builds-providers": ["worker/planted-provider-user.ts", "./providers/planted-target"],
  "only-objects-hold-streams": ["worker/planted-stream-user.ts", "./streams/schema"],
  "only-objects-hold-relays": ["worker/planted-relay-user.ts", "./relay/hub"],
  "objects-are-exported-once": ["worker/planted-object-user.ts", "./objects/planted-target"],
  "container-is-the-root": ["worker/planted-container-user.ts", "./container-target"],
  "env-is-parsed-once": ["worker/planted-env-user.ts", "./env-target"],
  "agent-never-worker": ["agent/src/planted.ts", "../../worker/domain/ids"],
  "worker-never-agent": ["worker/planted-agent-user.ts", "../agent/src/planted-target"],
  "dashboard-speaks-http": ["dashboard/planted.ts", "../worker/domain/ids"],
  "scripts-speak-http": ["scripts/planted.ts", "../worker/domain/ids"],
  "bench-measures-from-outside": ["bench/planted.ts", "../worker/domain/ids"],
  "bench-worker-is-the-entry": ["bench/worker.ts", "../worker/domain/ids"],
  "bench-is-a-leaf": ["scripts/planted-bench-user.ts", "../bench/planted-target"],
  "no-test-outside-tests": ["agent/src/planted-test-user.ts", "../../test/harness/planted-target"],
  "no-dev-package-shipped": ["worker/planted-dev-package.ts", "prettier"],
  resolvable: ["worker/planted-dangling.ts", "./there-is-no-such-file"],
};
const TARGETS = [
  "worker/dialects/planted/target.ts",
  "worker/dialects/planted-too/target.ts",
  "worker/queues/planted-target.ts",
  "worker/providers/planted-target.ts",
  "worker/objects/planted-target.ts",
  "worker/container-target.ts",
  "worker/env-target.ts",
  "agent/src/planted-target.ts",
  "test/harness/planted-target.ts",
  "bench/planted-target.ts",
];

let copy: string;
let outcome: Outcome;

function plant(file: string, text: string): void {
  mkdirSync(path.dirname(path.join(copy, file)), { recursive: true });
  writeFileSync(path.join(copy, file), text);
}

function check(dir: string): Promise<Outcome> {
  return run(process.execPath, ["--import", "tsx", "scripts/import-check.ts", "--root", dir]);
}

function emptyProject(): string {
  const dir = mkdtempSync(path.join(os.tmpdir(), "anneal-imports-"));
  for (const file of [".dependency-cruiser.cjs", "package.json", "tsconfig.json"]) {
    cpSync(path.join(root, file), path.join(dir, file));
  }
  symlinkSync(path.join(root, "node_modules"), path.join(dir, "node_modules"));
  return dir;
}

beforeAll(async () => {
  copy = emptyProject();
  for (const folder of ["protocol", "worker", "agent/src"]) {
    cpSync(path.join(root, folder), path.join(copy, folder), { recursive: true });
  }
  for (const target of TARGETS) plant(target, "export const target = 1;\n");
  for (const [file, target] of Object.values(PLANTED))
    plant(file, `import * as it from "${target}";\nexport { it };\n`);
  plant("worker/domain/planted-ring-a.ts", 'import { b } from "./planted-ring-b";\nexport const a = () => b;\n');
  plant("worker/domain/planted-ring-b.ts", 'import { a } from "./planted-ring-a";\nexport const b = () => a;\n');
  outcome = await check(copy);
}, 60_000);

afterAll(() => {
  rmSync(copy, { recursive: true, force: true });
});

describe("the import table", () => {
  it.each(Object.entries(PLANTED))("%s", (rule, [file]) => {
    expect(outcome.stderr).toContain(`${rule}: ${file} → `);
  });

  it("no-cycles", () => {
    expect(outcome.stderr).toMatch(
      /no-cycles: worker\/domain\/planted-ring-[ab]\.ts → worker\/domain\/planted-ring-[ab]\.ts/,
    );
  });

  it("has a planted violation for each of its rules", async () => {
    const config = (await import(path.join(root, ".dependency-cruiser.cjs"))) as {
      default: { forbidden: { name: string }[] };
    };
    const names = config.default.forbidden.map((rule) => rule.name);
    expect(names.sort()).toEqual([...Object.keys(PLANTED), "no-cycles"].sort());
  });

  it("fails on a tree with violations", () => {
    expect(outcome.code).toBe(1);
  });

  it("fails when it sees fewer than 20 modules", async () => {
    const dir = emptyProject();
    mkdirSync(path.join(dir, "protocol"));
    writeFileSync(path.join(dir, "protocol", "one.ts"), "export const one = 1;\n");
    const blind = await check(dir);
    rmSync(dir, { recursive: true, force: true });
    expect(blind.code).toBe(1);
    expect(blind.stderr).toContain("the check is blind");
  }, 30_000);
});
