/** The agent as an archive: its source, the protocol and the trainer, with the lock file that says what it needs. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { root } from "../env";
import { run } from "../processes";

const CONTENT = ["package.json", "package-lock.json", "tsconfig.json", "protocol", "agent", "scripts"];
/** Same sources, same bytes: no dates, no owners, sorted names. */
const DETERMINISTIC = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"];
const LEFT_OUT = ["__pycache__", "tests", ".pytest_cache", ".ruff_cache", "*.egg-info"].map((it) => `--exclude=${it}`);

export interface AgentRelease {
  version: string;
  file: string;
  /** In the bucket; the hash makes it never overwritten by another. */
  key: string;
  sha256: string;
}

export async function packAgent(dist: string): Promise<AgentRelease> {
  const { version } = z
    .object({ version: z.string() })
    .parse(JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")));
  mkdirSync(dist, { recursive: true });
  const file = path.join(dist, "anneal-agent.tar.gz");
  const outcome = await run("tar", ["-C", root, ...DETERMINISTIC, ...LEFT_OUT, "-czf", file, ...CONTENT], {
    env: { GZIP: "-n" },
  });
  if (outcome.code !== 0) throw new Error(`packing the agent failed:\n${outcome.stderr}`);
  const sha256 = createHash("sha256").update(readFileSync(file)).digest("hex");
  return { version, file, sha256, key: `releases/agent/${version}/anneal-agent-${sha256.slice(0, 16)}.tar.gz` };
}
