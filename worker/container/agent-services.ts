/** What agents call, bound to its ports. */
import type { Ports } from "./ports";
import { DomainError } from "../domain/errors";
import { parseLeaseId } from "../domain/ids";
import type { JobRecord } from "../domain/job";
import * as agents from "../services/agents";
import { leaseTask } from "../services/lease-task";
import { renewedToken } from "../services/report-task";
import type { Services } from "../services/services";

export function agentServices(p: Ports) {
  const held = (leaseId: string) => {
    const lease = parseLeaseId(leaseId);
    if (!lease) throw new DomainError("not_found", "lease not found");
    return { door: p.doors.of(lease.taskId), epoch: lease.epoch };
  };
  const status = async (job: Promise<JobRecord>) => ({ status: (await job).status });
  return {
    createBootstrapToken: (accountId, options) => agents.createBootstrapToken(p, accountId, options),
    listBootstrapTokens: (principal, page) => agents.listBootstrapTokens(p, principal, page),
    listAgents: (principal, page) => agents.listAgents(p, principal, page),
    revokeAgent: (principal, id) => agents.revokeAgent(p, principal, id),
    registerAgent: (token, request) => agents.registerAgent(p, token, request),
    authenticateAgent: (token) => agents.authenticateAgent(p, token),
    connectAgent: (agent, request) => p.directory.connect(agent, request),
    leaseTask: (agent, request, origin) => leaseTask(p, agent, request, origin),
    reportTask: async (agent, leaseId, request) => {
      const { door, epoch } = held(leaseId);
      const answer = await door.report(agent.agentId, epoch, request);
      return request.lane === "heartbeat" ? { ...answer, ...(await renewedToken(p, agent)) } : answer;
    },
    beginCheckpoint: (agent, leaseId, request, origin) => {
      const { door, epoch } = held(leaseId);
      return door.beginCheckpoint(agent.agentId, epoch, request, origin);
    },
    putPart: async (token, body, md5Base64) => {
      const { key, uploadId, number, size } = await p.urls.verifyPart(token);
      return p.multipart.putPart(key, uploadId, number, body, size, md5Base64);
    },
    commitCheckpoint: (agent, leaseId, request) => {
      const { door, epoch } = held(leaseId);
      return door.commitCheckpoint(agent.agentId, epoch, request);
    },
    finishTask: (agent, leaseId, request) => {
      const { door, epoch } = held(leaseId);
      return status(door.finish(agent.agentId, epoch, request));
    },
    releaseTask: (agent, leaseId, request) => {
      const { door, epoch } = held(leaseId);
      return status(door.release(agent.agentId, epoch, request));
    },
  } satisfies Partial<Services>;
}
