import { createApp } from "./app";
import { services } from "./container";
import { loggable } from "./domain/errors";
import type { Later, QueueMessage, VerifyMessage } from "./domain/ports";
import { configOf, type Env } from "./env";
import { consumeDeadLetters, consumeDispatch } from "./queues/dispatch";
import { consumeVerify } from "./queues/verify";

export { AgentObject } from "./objects/agent-object";
export { EngineObject } from "./objects/engine-object";
export { JobObject } from "./objects/job-object";
export { UploadObject } from "./objects/upload-object";

/** Work that goes on after the answer; its failure is only logged, since the sweep or the next call makes up for it. */
function laterIn(ctx: Pick<ExecutionContext, "waitUntil">): Later {
  return (work) =>
    ctx.waitUntil(work.catch((error: unknown) => console.error("work after an answer failed", loggable(error))));
}

const app = createApp({
  servicesFor: (c) => services(c.env as Env, laterIn(c.executionCtx)),
  settingsFor: (c) => {
    const { publicUrl, adminToken, isTrainingModuleOpen } = configOf(c.env as Env);
    return { publicUrl: publicUrl ?? null, adminToken, isTrainingModuleOpen };
  },
});

export default {
  fetch: app.fetch,
  async queue(batch, env, ctx) {
    if (batch.queue.endsWith("-dead")) consumeDeadLetters(batch);
    else if (batch.queue.endsWith("-verify")) {
      await consumeVerify(batch, (message) => services(env, laterIn(ctx)).verifyCheckpoint(message));
    } else await consumeDispatch(batch, (jobId) => services(env, laterIn(ctx)).tickJob(jobId));
  },
  async scheduled(_event, env, ctx) {
    const { sweep, sweepEngines, sweepBytes, sweepDeleted, sweepImports, rotateKeys } = services(env, laterIn(ctx));
    // Jobs first: nothing that waits for bytes may keep them.
    await sweep();
    await sweepEngines();
    await sweepBytes();
    await sweepDeleted();
    await sweepImports();
    await rotateKeys();
  },
} satisfies ExportedHandler<Env, QueueMessage | VerifyMessage>;
