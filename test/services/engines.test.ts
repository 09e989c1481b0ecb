/** Engines through the real services, over real D1 and objects: starting, ending, and what heals a crash between. */
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { newAccount, using } from "./fixtures";

it("starts at once", async () => {
  const principal = await newAccount();
  const engine = await using((s) => s.createEngine(principal, { baseModel: "anneal/tiny-llama" }));
  expect(engine).toMatchObject({ status: "starting", run: 1, name: "tiny-llama-engine" });
  const after = await using((s) => s.getEngine(principal, engine.id));
  expect(after.taskIds).toHaveLength(1);
  const tasks = await using((s) => s.listJobs(principal, { kind: "serve" }, { limit: 10 }));
  expect(tasks.items.map(({ id, status }) => ({ id, status }))).toEqual([{ id: after.taskIds[0], status: "queued" }]);
  const stopped = await using((s) => s.deactivateEngine(after));
  expect(stopped.status).toBe("inactive");
  expect((await using((s) => s.getTask(principal, after.taskIds[0] ?? ""))).status).toBe("cancelled");
  expect(env.ENGINE).toBeDefined();
});
