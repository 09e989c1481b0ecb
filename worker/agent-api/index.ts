/** The private edge that agents speak (protocol/agent.ts). Bodies are the protocol's schemas; the rest is services. */
import { type Context, Hono, type MiddlewareHandler } from "hono";
import type { z } from "zod";
import {
  beginCheckpointRequest,
  claimRequest,
  commitCheckpointRequest,
  finishRequest,
  registerRequest,
  releaseRequest,
  reportRequest,
} from "../../protocol";
import { DomainError } from "../domain/errors";
import type { AgentPrincipal } from "../domain/agents";
import { limitedBody } from "../http/body-limit";
import { prepare } from "../http/dialect";
import { failureResponse, refuse, toFailure } from "../http/failure";
import type { EdgeDeps, HttpEnv } from "../http/http-env";
import { renderAgentError } from "./errors";

/** A report has at most 1 MiB of items, and JSON around them. */
const MAX_BODY_BYTES = 2 * 1024 * 1024;
/** A commit of 1,000 files with their parts and members. */
const MAX_COMMIT_BYTES = 16 * 1024 * 1024;

type AgentEnv = HttpEnv & { Variables: { agent: AgentPrincipal } };

export function registerAgentApi(root: Hono<HttpEnv>, deps: EdgeDeps): void {
  const app = new Hono<AgentEnv>();
  app.onError((error, c) => failureResponse(toFailure(error, c.var.requestId), renderAgentError));
  const open = prepare(deps) as unknown as MiddlewareHandler<AgentEnv>;

  app.post("/register", open, async (c) =>
    c.json(await c.var.services.registerAgent(bearer(c), await body(c, registerRequest))),
  );
  // The URL itself is signed: it says which part of which upload.
  app.put("/parts/:token", open, async (c) => {
    const stream = c.req.raw.body;
    if (!stream) throw new DomainError("invalid_request", "the part has no bytes");
    return c.json(await c.var.services.putPart(c.req.param("token"), stream, c.req.header("content-md5") ?? ""));
  });
  app.get("/connect", open, agentAuth, (c) => c.var.services.connectAgent(c.var.agent, c.req.raw));
  app.get("/engines/:engine/connect", open, agentAuth, (c) => {
    const query = { lease: c.req.query("lease") ?? "", shard: c.req.query("shard") ?? "0" };
    return c.var.services.connectEngine(c.var.agent, c.req.param("engine"), query, c.req.raw);
  });
  app.post("/leases", open, agentAuth, async (c) => {
    const lease = await c.var.services.leaseTask(c.var.agent, await body(c, claimRequest), c.var.origin);
    return lease ? c.json(lease) : c.body(null, 204);
  });
  registerLeaseRoutes(app, open);
  root.route("/agent/v1", app as unknown as Hono<HttpEnv>);
}

function registerLeaseRoutes(app: Hono<AgentEnv>, open: MiddlewareHandler<AgentEnv>): void {
  app.get("/leases/:lease/deployments", open, agentAuth, async (c) =>
    c.json(await c.var.services.servedDeployments(c.var.agent, c.req.param("lease"), c.var.origin)),
  );
  app.post("/leases/:lease/reports", open, agentAuth, async (c) =>
    c.json(await c.var.services.reportTask(c.var.agent, c.req.param("lease"), await body(c, reportRequest))),
  );
  app.post("/leases/:lease/checkpoints/begin", open, agentAuth, async (c) => {
    const { services, agent, origin } = c.var;
    const request = await body(c, beginCheckpointRequest);
    return c.json(await services.beginCheckpoint(agent, c.req.param("lease"), request, origin));
  });
  app.post("/leases/:lease/checkpoints/commit", open, agentAuth, async (c) =>
    c.json(
      await c.var.services.commitCheckpoint(
        c.var.agent,
        c.req.param("lease"),
        await body(c, commitCheckpointRequest, MAX_COMMIT_BYTES),
      ),
    ),
  );
  app.post("/leases/:lease/finish", open, agentAuth, async (c) =>
    c.json(await c.var.services.finishTask(c.var.agent, c.req.param("lease"), await body(c, finishRequest))),
  );
  app.post("/leases/:lease/release", open, agentAuth, async (c) =>
    c.json(await c.var.services.releaseTask(c.var.agent, c.req.param("lease"), await body(c, releaseRequest))),
  );
}

const agentAuth: MiddlewareHandler<AgentEnv> = async (c, next) => {
  c.set("agent", await c.var.services.authenticateAgent(bearer(c)));
  await next();
};

function bearer(c: Context<AgentEnv>): string {
  const match = /^Bearer (\S+)$/i.exec(c.req.header("authorization") ?? "");
  if (!match?.[1]) throw new DomainError("unauthenticated", "send the token as 'Authorization: Bearer <token>'");
  return match[1];
}

async function body<T extends z.ZodType>(
  c: Context<AgentEnv>,
  schema: T,
  maxBytes = MAX_BODY_BYTES,
): Promise<z.infer<T>> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of limitedBody(c.req.raw, maxBytes)) chunks.push(chunk);
  let json: unknown;
  try {
    json = JSON.parse(Buffer.concat(chunks).toString());
  } catch (error) {
    throw new DomainError("invalid_request", `the body is not JSON: ${(error as Error).message}`);
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw refuse(parsed.error.issues);
  return parsed.data;
}
