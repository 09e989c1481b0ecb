/** An agent made of HTTP requests alone: registers, claims one job, reports. For what is measured behind the agent's edge. */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import {
  beginCheckpointResponse,
  commitCheckpointResponse,
  type BeginCheckpointRequest,
  type BeginCheckpointResponse,
  type CommitCheckpointRequest,
  type DataItem,
} from "../protocol";
import { apiClient, type ApiClient } from "../scripts/api";
import type { Plane } from "./plane";

const SLOT = { id: "gpu0", kind: "gpu", gpus: [0] };
const HEARTBEAT_MS = 10_000;

export class Lease {
  private seq = 0;
  private readonly heartbeats: NodeJS.Timeout;

  private constructor(
    private readonly agent: ApiClient,
    private readonly id: string,
  ) {
    this.heartbeats = setInterval(() => {
      this.post("reports", { lane: "heartbeat", step: null }, z.object({})).catch((error: unknown) => {
        console.error(`a heartbeat failed: ${String(error)}`);
      });
    }, HEARTBEAT_MS);
  }

  /** A fresh agent of the account takes this job. */
  static async claim(plane: Plane, jobId: string): Promise<Lease> {
    const registration = {
      protocol: 1,
      nonce: randomUUID(),
      name: "bench",
      agent_version: "bench",
      gpus: [{ name: "NVIDIA L4", memory_bytes: 24 * 2 ** 30 }],
      cpu_count: 2,
      memory_bytes: 2 ** 34,
      driver: null,
      cuda_probe: null,
      isolation: { level: 0, detail: "bench" },
      slots: [SLOT],
    };
    const bootstrap = apiClient(plane.url, plane.agentToken);
    const registered = await bootstrap.post("/agent/v1/register", registration, z.object({ agent_token: z.string() }));
    const agent = apiClient(plane.url, registered.agent_token);
    const claim = {
      claim_id: randomUUID(),
      free_slots: [SLOT],
      task_id: jobId.replace(/^job_/, ""),
      wait_ms: 0,
    };
    const { lease_id: id } = await agent.post("/agent/v1/leases", claim, z.object({ lease_id: z.string() }));
    const lease = new Lease(agent, id);
    const first = { type: "started", ts_ms: Date.now(), total_steps: 1_000_000, resumed_from_step: 0 } as const;
    await lease.report([{ ...first, world_size: 1, device: "bench", versions: {} }]);
    return lease;
  }

  async report(items: DataItem[]): Promise<void> {
    this.seq += 1;
    await this.post("reports", { lane: "data", seq: this.seq, items }, z.object({ directive: z.literal("continue") }));
  }

  begin(request: BeginCheckpointRequest): Promise<BeginCheckpointResponse> {
    return this.post("checkpoints/begin", request, beginCheckpointResponse);
  }

  async commit(request: CommitCheckpointRequest): Promise<string> {
    return (await this.post("checkpoints/commit", request, commitCheckpointResponse)).checkpoint_id;
  }

  /** Lets the lease expire. */
  stop(): void {
    clearInterval(this.heartbeats);
  }

  private post<T>(what: string, body: unknown, shape: z.ZodType<T>): Promise<T> {
    return this.agent.post(`/agent/v1/leases/${this.id}/${what}`, body, shape);
  }
}

/** A training step's row as the trainer reports it. */
export function metricsItem(step: number, values: Record<string, number>): DataItem {
  return { type: "metrics", ts_ms: Date.now(), step, kind: "train", values };
}
