/** What the platform can do with nothing of ours in the way: one statement, one object. And a filler of rows. */
import { Hono } from "hono";

export interface BareEnv {
  DB: D1Database;
  BUCKET: R2Bucket;
}

/** Rows that `jobs/copies` makes in one statement. */
const MAX_COPIES = 10_000;

export const bareRoutes = new Hono<{ Bindings: BareEnv }>().basePath("/bare");

bareRoutes.get("/hello", (c) => c.text("hello"));

bareRoutes.get("/jobs/:id", async (c) => {
  const row = await c.env.DB.prepare("SELECT * FROM jobs WHERE id = ?").bind(c.req.param("id")).first();
  return row ? c.json(row) : c.notFound();
});

bareRoutes.put("/objects/:key", async (c) => {
  await c.env.BUCKET.put(`bare/${c.req.param("key")}`, c.req.raw.body);
  return c.json({ ok: true });
});

bareRoutes.get("/objects/:key", async (c) => {
  const object = await c.env.BUCKET.get(`bare/${c.req.param("key")}`);
  return object ? new Response(object.body, { headers: { "content-length": String(object.size) } }) : c.notFound();
});

/** What stands in the bucket below `prefix`, whoever has put it there. */
bareRoutes.get("/stored", async (c) => {
  const { objects } = await c.env.BUCKET.list({ prefix: c.req.query("prefix") ?? "" });
  return c.json(objects.map(({ key, size }) => ({ key, size })));
});

/** One object by its whole key: a bare get of what our routes serve too. */
bareRoutes.get("/stored/:key{.+}", async (c) => {
  const object = await c.env.BUCKET.get(c.req.param("key"));
  return object ? new Response(object.body, { headers: { "content-length": String(object.size) } }) : c.notFound();
});

bareRoutes.delete("/objects/:key", async (c) => {
  await c.env.BUCKET.delete(`bare/${c.req.param("key")}`);
  return c.json({ ok: true });
});

/** Copies of an ended job and its task, numbered from `from`: the id's last ten characters are the number. */
bareRoutes.post("/jobs/:id/copies", async (c) => {
  const from = Number(c.req.query("from"));
  const count = Math.min(MAX_COPIES, Number(c.req.query("count")));
  const id = c.req.param("id");
  const statements = await Promise.all(
    ["jobs", "tasks"].map(async (table) => copyRows(c.env.DB, table, id, from, count)),
  );
  await c.env.DB.batch(statements);
  return c.json({ made: count });
});

async function copyRows(
  db: D1Database,
  table: string,
  id: string,
  from: number,
  count: number,
): Promise<D1PreparedStatement> {
  const { results } = await db.prepare(`PRAGMA table_info(${table})`).all<{ name: string }>();
  const names = results.map(({ name }) => name);
  const fresh = "substr(t.id, 1, 16) || printf('%010d', seq.n)";
  const values = names.map((name) => (name === "id" || (table === "tasks" && name === "job_id") ? fresh : `t.${name}`));
  return db
    .prepare(
      `WITH RECURSIVE seq(n) AS (SELECT ?2 UNION ALL SELECT n + 1 FROM seq WHERE n + 1 < ?2 + ?3)
       INSERT INTO ${table} (${names.join(", ")}) SELECT ${values.join(", ")} FROM ${table} t, seq WHERE t.id = ?1`,
    )
    .bind(id, from, count);
}
