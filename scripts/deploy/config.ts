/** wrangler.toml as the deployment needs it: names of what it uses, and a copy with the real database's id. */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { unstable_readConfig } from "wrangler";
import { z } from "zod";
import { root } from "../env";

export interface DeployConfig {
  name: string;
  database: string;
  migrationsDir: string;
  bucket: string;
  queues: string[];
}

const file = path.join(root, "wrangler.toml");

/** What a deployment is made of; the rest of wrangler's configuration is defaults. */
const wranglerConfig = z.object({
  name: z.string(),
  compatibility_date: z.string(),
  limits: z.object({ cpu_ms: z.number().optional() }).optional(),
  assets: z.looseObject({ directory: z.string() }),
  d1_databases: z.tuple([z.object({ binding: z.string(), database_name: z.string(), migrations_dir: z.string() })]),
  r2_buckets: z.tuple([z.object({ binding: z.string(), bucket_name: z.string() })]),
  durable_objects: z.looseObject({}),
  migrations: z.array(z.looseObject({})),
  queues: z.looseObject({
    producers: z.array(z.looseObject({ queue: z.string() })),
    consumers: z.array(z.looseObject({ queue: z.string() })),
  }),
  observability: z.looseObject({}),
  triggers: z.looseObject({}),
  vars: z.record(z.string(), z.unknown()),
});

function readConfig(): z.infer<typeof wranglerConfig> {
  return wranglerConfig.parse(unstable_readConfig({ config: file }));
}

export function readDeployConfig(): DeployConfig {
  const config = readConfig();
  const [database] = config.d1_databases;
  const queues = [...config.queues.producers, ...config.queues.consumers].map(({ queue }) => queue);
  return {
    name: config.name,
    database: database.database_name,
    migrationsDir: database.migrations_dir,
    bucket: config.r2_buckets[0].bucket_name,
    queues: [...new Set(queues)],
  };
}

/** The committed file has a placeholder where each deployment has a database of its own. Paths become absolute. */
export function writeDeployConfig(dist: string, databaseId: string): string {
  const config = readConfig();
  const [database] = config.d1_databases;
  const made = path.join(dist, "wrangler.deploy.json");
  const own = {
    ...config,
    main: path.join(root, "worker", "index.ts"),
    send_metrics: false,
    assets: { ...config.assets, directory: path.resolve(root, config.assets.directory) },
    d1_databases: [
      {
        ...database,
        database_id: databaseId,
        migrations_dir: path.relative(dist, path.resolve(root, database.migrations_dir)),
      },
    ],
  };
  mkdirSync(dist, { recursive: true });
  writeFileSync(made, JSON.stringify(own, null, 2));
  return made;
}
