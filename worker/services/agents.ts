/** Agents and the bootstrap tokens that make them. */
import type { RegisterRequest, RegisterResponse } from "../../protocol";
import type { Principal } from "../domain/accounts";
import type { AgentPrincipal, AgentRecord, BootstrapTokenRecord } from "../domain/agents";
import type { JobCommand } from "../domain/job-state";
import { DomainError, invalid, notFound } from "../domain/errors";
import type {
  AgentDirectory,
  AgentStore,
  Clock,
  Ids,
  JobDoors,
  JobStore,
  Page,
  PageRequest,
  Settings,
  TokenSigner,
} from "../domain/ports";

const BOOTSTRAP_PREFIX = "boot-";

export interface AgentPorts {
  agents: AgentStore;
  directory: AgentDirectory;
  jobs: JobStore;
  doors: JobDoors;
  tokens: TokenSigner;
  ids: Ids;
  clock: Clock;
  settings: Settings;
  sha256Hex: (text: string) => Promise<string>;
}

export async function createBootstrapToken(
  ports: AgentPorts,
  accountId: string | null,
  options: { ttlSeconds: number; reusable: boolean },
): Promise<{ record: BootstrapTokenRecord; token: string }> {
  if (options.reusable && !ports.settings.dev) {
    throw invalid("reusable", "a token for many agents is for a dev deployment only; make one token for each agent");
  }
  const token = `${BOOTSTRAP_PREFIX}${ports.ids.randomHex(32)}`;
  const createdAtMs = ports.clock.nowMs();
  const record: BootstrapTokenRecord = {
    id: ports.ids.next(),
    accountId,
    reusable: options.reusable,
    nonce: null,
    agentId: null,
    createdAtMs,
    expiresAtMs: createdAtMs + options.ttlSeconds * 1000,
  };
  await ports.agents.createToken(record, await ports.sha256Hex(token));
  return { record, token };
}

export async function listBootstrapTokens(
  ports: AgentPorts,
  principal: Principal,
  page: PageRequest,
): Promise<Page<BootstrapTokenRecord>> {
  return ports.agents.listTokens(principal.accountId, page);
}

/**
 * The same token and nonce get the same agent until the token expires; a used token is nothing to another nonce. An agent
 * that has been idle, and so had no heartbeat's answer, renews its agent token here with that token itself.
 */
export async function registerAgent(
  ports: AgentPorts,
  token: string,
  request: RegisterRequest,
): Promise<RegisterResponse> {
  const agent = token.startsWith(BOOTSTRAP_PREFIX)
    ? await bootstrapped(ports, token, request)
    : await renewed(ports, token, request);
  const { token: agentToken, expiresAtMs } = await ports.tokens.sign({
    agentId: agent.id,
    accountId: agent.accountId,
  });
  return {
    agent_id: agent.id,
    agent_token: agentToken,
    token_expires_at_ms: expiresAtMs,
    heartbeat_ms: ports.settings.heartbeatMs,
    lease_ms: ports.settings.leaseMs,
  };
}

async function renewed(ports: AgentPorts, agentToken: string, request: RegisterRequest): Promise<AgentRecord> {
  const { agentId } = await ports.tokens.verify(agentToken);
  const agent = await ports.agents.get(agentId);
  if (!agent) throw new DomainError("unauthenticated", "this agent was revoked");
  return again(ports, agent, request);
}

/** A known agent; what it says of its host now replaces what it said before. */
async function again(ports: AgentPorts, agent: AgentRecord, request: RegisterRequest): Promise<AgentRecord> {
  if (agent.revokedAtMs !== null) throw new DomainError("unauthenticated", "this agent was revoked");
  requireIsolation(ports.settings, agent.accountId, request);
  await ports.agents.describe(agent.id, request);
  return agent;
}

/** The platform's hosts run the code of many accounts; an account's own hosts run only its own. */
function requireIsolation({ minIsolation }: Settings, accountId: string | null, { isolation }: RegisterRequest): void {
  if (accountId !== null || isolation.level >= minIsolation) return;
  throw new DomainError(
    "forbidden",
    `hosts of this deployment must confine user code at isolation level ${String(minIsolation)} (ANNEAL_MIN_ISOLATION); ` +
      `this one has level ${String(isolation.level)}: ${isolation.detail}`,
  );
}

async function bootstrapped(ports: AgentPorts, text: string, request: RegisterRequest): Promise<AgentRecord> {
  const token = await ports.agents.findToken(await ports.sha256Hex(text));
  if (!token || token.expiresAtMs <= ports.clock.nowMs()) {
    throw new DomainError("unauthenticated", "the bootstrap token is not valid or has expired");
  }
  const known = await ports.agents.findByNonce(token.id, request.nonce);
  if (known) return again(ports, known, request);
  requireIsolation(ports.settings, token.accountId, request);
  const agent: AgentRecord = {
    id: ports.ids.next(),
    accountId: token.accountId,
    name: request.name,
    info: request,
    createdAtMs: ports.clock.nowMs(),
    revokedAtMs: null,
  };
  await ports.agents.register(token, request.nonce, agent);
  // Ours, or that of the same agent asking twice at once.
  const registered = await ports.agents.findByNonce(token.id, request.nonce);
  if (registered) return registered;
  throw new DomainError("unauthenticated", "the bootstrap token was used by another agent");
}

export async function authenticateAgent(ports: AgentPorts, token: string): Promise<AgentPrincipal> {
  return ports.tokens.verify(token);
}

export async function listAgents(
  ports: AgentPorts,
  principal: Principal,
  page: PageRequest,
): Promise<Page<AgentRecord>> {
  return ports.agents.list(principal.accountId, page);
}

/** Its tokens become worthless at once and what it holds is queued again. */
export async function revokeAgent(ports: AgentPorts, principal: Principal, id: string | null): Promise<void> {
  const revoked = id !== null && (await ports.agents.revoke(principal.accountId, id, ports.clock.nowMs()));
  if (!revoked) throw notFound("agent");
  await ports.directory.revoke(id);
  await ports.agents.clearIdle(id);
  for (const jobId of await ports.jobs.heldBy(id)) {
    const job = await ports.jobs.load(jobId);
    if (job?.task.agentId !== id) continue;
    const { epoch } = job.task;
    const command: JobCommand = {
      type: "lose",
      epoch,
      reason: "agent_lost",
      message: "the agent was revoked",
      logTail: [],
    };
    try {
      await ports.doors.of(jobId).command(command, `revoke ${String(epoch)}`);
    } catch (error) {
      // It ended in the meantime: there is nothing left to take away.
      if (!(error instanceof DomainError)) throw error;
    }
  }
}
