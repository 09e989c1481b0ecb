/** Agents, their slots and what a task needs of them. */
import type { RegisterRequest, SlotInfo } from "../../protocol";

export interface AgentRecord {
  id: string;
  /** null: an agent of the platform, good for every account. */
  accountId: string | null;
  name: string;
  info: RegisterRequest;
  createdAtMs: number;
  revokedAtMs: number | null;
}

export interface BootstrapTokenRecord {
  id: string;
  accountId: string | null;
  /** Only in dev: one token for many agents. */
  reusable: boolean;
  nonce: string | null;
  agentId: string | null;
  createdAtMs: number;
  expiresAtMs: number;
}

/** Who an agent token speaks for; everything in it is signed, so no heartbeat needs D1. */
export interface AgentPrincipal {
  agentId: string;
  accountId: string | null;
  expiresAtMs: number;
}

export interface TaskNeeds {
  gpuType: string;
  gpuCount: number;
  /** Of a serve task: the memory it is thought to need; null: a slot of its own. */
  serveBytes: number | null;
}

/** What the agent offers in a slot, in the canonical GPU names. */
export interface SlotOffer {
  slot: SlotInfo;
  gpuType: string | null;
  gpuCount: number;
  /** Of a slot for serve tasks: the memory that is left; null: a slot for one task of another kind. */
  serveBytes: number | null;
}
