/** How the rest of the worker reaches the objects: by id, with errors as errors again. */
import type { AgentPrincipal, SlotOffer } from "../domain/agents";
import { unwrap, type Answer } from "../domain/errors";
import type { UploadSessions, UploadSessionStub } from "../domain/upload-ports";
import type {
  AgentDirectory,
  EngineDoors,
  EngineDoorStub,
  JobDoors,
  JobDoorStub,
  ServingAgent,
  StreamEventPage,
} from "../domain/ports";
import type { Env } from "../env";

export class ObjectJobDoors implements JobDoors {
  readonly #namespace: Env["JOB"];

  constructor(namespace: Env["JOB"]) {
    this.#namespace = namespace;
  }

  of(jobId: string): JobDoorStub {
    const object = this.#namespace.getByName(jobId);
    return {
      command: async (command, key) => unwrap(await object.command(jobId, command, key)),
      tick: async () => unwrap(await object.tick(jobId)),
      claim: async (agentId, claimId, command) => unwrap(await object.claim(jobId, agentId, claimId, command)),
      report: async (agentId, epoch, request) => unwrap(await object.report(jobId, agentId, epoch, request)),
      beginCheckpoint: async (agentId, epoch, request, origin) =>
        unwrap(await object.beginCheckpoint(jobId, agentId, epoch, request, origin)),
      commitCheckpoint: async (agentId, epoch, request) =>
        unwrap(await object.commitCheckpoint(jobId, agentId, epoch, request)),
      checkpointVerdict: async (id, fault) => unwrap(await object.checkpointVerdict(jobId, id, fault)),
      finish: async (agentId, epoch, request) => unwrap(await object.finish(jobId, agentId, epoch, request)),
      release: async (agentId, epoch, request) => unwrap(await object.release(jobId, agentId, epoch, request)),
      // RPC carries what these two answer, though its types do not know `unknown` and a Response inside data.
      events: async (page) => unwrap(await (object.events(jobId, page) as Promise<Answer<StreamEventPage>>)),
      metrics: async (query) => unwrap(await object.metrics(jobId, query)),
      workDone: async () => unwrap(await object.workDone(jobId)),
      stream: async (request) => unwrap(await (object.stream(jobId, request) as Promise<Answer<Response>>)),
      erase: async () => unwrap(await object.erase(jobId)),
    };
  }
}

export class ObjectAgentDirectory implements AgentDirectory {
  readonly #namespace: Env["AGENT"];

  constructor(namespace: Env["AGENT"]) {
    this.#namespace = namespace;
  }

  async wake(agentId: string, taskId: string): Promise<boolean> {
    return this.#namespace.getByName(agentId).wake(agentId, taskId);
  }

  async hurry(agentId: string, leaseId: string): Promise<void> {
    await this.#namespace.getByName(agentId).hurry(leaseId);
  }

  async awaitWake(agentId: string, waitMs: number): Promise<string | null> {
    return this.#namespace.getByName(agentId).awaitWake(waitMs);
  }

  async revoke(agentId: string): Promise<void> {
    await this.#namespace.getByName(agentId).revoke();
  }

  async isRevoked(agentId: string): Promise<boolean> {
    return this.#namespace.getByName(agentId).isRevoked();
  }

  async setIdle(agent: AgentPrincipal, offers: SlotOffer[]): Promise<void> {
    await this.#namespace.getByName(agent.agentId).setIdle(agent.agentId, agent.accountId, offers);
  }

  async connect(agent: AgentPrincipal, request: Request): Promise<Response> {
    return this.#namespace.getByName(agent.agentId).fetch(request);
  }
}

export class ObjectUploadSessions implements UploadSessions {
  readonly #namespace: Env["UPLOAD"];

  constructor(namespace: Env["UPLOAD"]) {
    this.#namespace = namespace;
  }

  of(uploadId: string): UploadSessionStub {
    const object = this.#namespace.getByName(uploadId);
    return {
      progress: async (upload) => unwrap(await object.progress(upload)),
      receive: async (upload, range, body) => unwrap(await object.receive(upload, range, body)),
      declare: async (upload, total) => unwrap(await object.declare(upload, total)),
      complete: async (upload, sha256) => unwrap(await object.complete(upload, sha256)),
      abort: async (upload) => unwrap(await object.abort(upload)),
      expire: async (id) => unwrap(await object.expire(id)),
    };
  }
}

/** The only one today; an engine with more agents than one object can carry will have more. */
const FIRST_ENGINE_SHARD = "0";

export class ObjectEngineDoors implements EngineDoors {
  readonly #namespace: Env["ENGINE"];

  constructor(namespace: Env["ENGINE"]) {
    this.#namespace = namespace;
  }

  of(engineId: string): EngineDoorStub {
    const object = this.#namespace.getByName(engineObjectName(engineId));
    return {
      wake: async () => unwrap(await object.wake(engineId)),
      deactivate: async () => unwrap(await object.deactivate(engineId)),
      reactivate: async () => unwrap(await object.reactivate(engineId)),
      deploymentsChanged: async (wakes) => unwrap(await object.deploymentsChanged(engineId, wakes)),
      configure: async (change) => unwrap(await object.configure(engineId, change)),
      remove: async (erases) => unwrap(await object.remove(engineId, erases)),
      tick: async () => unwrap(await object.tick(engineId)),
      // RPC carries a Response inside data, though its types do not know it.
      serve: async (call) => unwrap(await (object.serve(engineId, call) as Promise<Answer<Response>>)),
      requests: async (deploymentId, page) => unwrap(await object.requests(engineId, deploymentId, page)),
      metrics: async (deploymentIds) => unwrap(await object.metrics(engineId, deploymentIds)),
      // A socket comes back from `fetch` alone.
      connect: (agent, request) => object.fetch(engineSocketRequest(engineId, agent, request)),
    };
  }
}

export function engineObjectName(engineId: string): string {
  return `engine:${engineId}:${FIRST_ENGINE_SHARD}`;
}

/** The agent's request, with what the worker has found of it in place of what the agent has sent. */
function engineSocketRequest(engineId: string, { agentId, taskId, epoch }: ServingAgent, request: Request): Request {
  const query = new URLSearchParams({ engine: engineId, agent: agentId, task: taskId, epoch: String(epoch) });
  return new Request(`https://engine.internal/?${query.toString()}`, {
    headers: { upgrade: "websocket" },
    method: request.method,
  });
}
