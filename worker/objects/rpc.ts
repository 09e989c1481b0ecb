/** What the objects answer over RPC. Errors cross as data (`Answer`), since their class would not. */
import type { SlotOffer } from "../domain/agents";
import type { Answer } from "../domain/errors";
import type { EngineDoorStub, JobDoorStub } from "../domain/ports";
import type { UploadSessionStub } from "../domain/upload-ports";

/** Each call of the door brings the job's id, since an object does not know its own name. */
export type JobObjectRpc = Rpc.DurableObjectBranded & {
  [Call in keyof JobDoorStub]: (
    jobId: string,
    ...request: Parameters<JobDoorStub[Call]>
  ) => Promise<Answer<Awaited<ReturnType<JobDoorStub[Call]>>>>;
};

/** The calls of an upload session; each brings the upload as D1 has it. */
export type UploadObjectRpc = Rpc.DurableObjectBranded & {
  [Call in keyof UploadSessionStub]: (
    ...request: Parameters<UploadSessionStub[Call]>
  ) => Promise<Answer<Awaited<ReturnType<UploadSessionStub[Call]>>>>;
};

/** As a job's: each call brings the engine's id. An agent's socket comes by `fetch`, with `engineSocketRequest`'s parameters. */
export type EngineObjectRpc = Rpc.DurableObjectBranded & {
  [Call in Exclude<keyof EngineDoorStub, "connect">]: (
    engineId: string,
    ...request: Parameters<EngineDoorStub[Call]>
  ) => Promise<Answer<Awaited<ReturnType<EngineDoorStub[Call]>>>>;
} & { fetch(request: Request): Promise<Response> };

export interface AgentObjectRpc extends Rpc.DurableObjectBranded {
  fetch(request: Request): Promise<Response>;
  /** False when nobody listens, neither a poll nor a socket; then D1 lists the agent as idle no more. */
  wake(agentId: string, taskId: string): Promise<boolean>;
  /** Its next heartbeat is due now. */
  hurry(leaseId: string): void;
  /** The task that the agent was woken for, or null after `waitMs`. */
  awaitWake(waitMs: number): Promise<string | null>;
  revoke(): Promise<void>;
  isRevoked(): Promise<boolean>;
  /** The slots in which the agent found nothing to do. */
  setIdle(agentId: string, accountId: string | null, offers: SlotOffer[]): Promise<void>;
}
