import { createApp } from "./app";
import { services } from "./container";
import type { QueueMessage } from "./domain/ports";
import { configOf, type Env } from "./env";
import { consumeDeadLetters, consumeDispatch } from "./queues/dispatch";

export { AgentObject } from "./objects/agent-object";
export { JobObject } from "./objects/job-object";

const app = createApp({
  servicesFor: (c) => services(c.env as Env, (work) => c.executionCtx.waitUntil(work)),
  settingsFor: (c) => {
    const { publicUrl, adminToken } = configOf(c.env as Env);
    return { publicUrl: publicUrl ?? null, adminToken };
  },
});

export default {
  fetch: app.fetch,
  async queue(batch, env, ctx) {
    if (batch.queue.endsWith("-dead")) consumeDeadLetters(batch);
    else await consumeDispatch(batch, (jobId) => services(env, (work) => ctx.waitUntil(work)).tickJob(jobId));
  },
  async scheduled(_event, env, ctx) {
    await services(env, (work) => ctx.waitUntil(work)).sweep();
  },
} satisfies ExportedHandler<Env, QueueMessage>;
