/** What a deployment asks of Cloudflare, by wrangler's own commands. */
import { mkdirSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { bin, quietWranglerEnv } from "../env";
import { run } from "../processes";
import type { DeployConfig } from "./config";

const databaseList = z.array(z.object({ uuid: z.string(), name: z.string() }));
const secretList = z.array(z.object({ name: z.string() }));

export interface WranglerClient {
  /** Runs to its end; throws with what it said when it fails. */
  command(args: string[], options?: { isShown: boolean }): Promise<void>;
  secretNames(worker: string): Promise<string[]>;
  /** Makes the database, the bucket and the queues that are not there; gives the database's id. */
  ensureResources(config: DeployConfig): Promise<string>;
}

export function wranglerClient(logDir: string): WranglerClient {
  mkdirSync(logDir, { recursive: true });
  const env = quietWranglerEnv(logDir);

  async function output(args: string[]): Promise<string> {
    const outcome = await run(path.join(bin, "wrangler"), args, { env });
    if (outcome.code === 0) return outcome.stdout;
    throw new Error(`wrangler ${args.join(" ")} failed:\n${outcome.stdout}${outcome.stderr}`);
  }

  async function databaseId(name: string): Promise<string | undefined> {
    const all = databaseList.parse(JSON.parse(await output(["d1", "list", "--json"])));
    return all.find((database) => database.name === name)?.uuid;
  }

  async function ensure(kind: "r2 bucket" | "queues", name: string): Promise<void> {
    const listed = await output([...kind.split(" "), "list"]);
    if (listed.split(/[\s│|:]+/).includes(name)) return;
    console.log(`making ${kind} ${name}`);
    await output([...kind.split(" "), "create", name]);
  }

  return {
    async command(args, options) {
      const text = await output(args);
      if (options?.isShown === true) process.stdout.write(text);
    },
    async secretNames(worker) {
      const text = await output(["secret", "list", "--name", worker, "--format", "json"]);
      return secretList.parse(JSON.parse(text)).map((secret) => secret.name);
    },
    async ensureResources(config) {
      await ensure("r2 bucket", config.bucket);
      for (const queue of config.queues) await ensure("queues", queue);
      const known = await databaseId(config.database);
      if (known !== undefined) return known;
      console.log(`making database ${config.database}`);
      await output(["d1", "create", config.database]);
      const made = await databaseId(config.database);
      if (made === undefined) throw new Error(`the database ${config.database} was made and is not listed`);
      return made;
    },
  };
}
