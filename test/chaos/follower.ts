/** Reads a job's live stream as a client does: when the line breaks, on from the last item's id, until the end item. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ApiClient } from "../../scripts/api";
import { readSse, type SseItem } from "../../scripts/sse";

const RECONNECT_MS = 300;

export class Follower {
  readonly items: SseItem[] = [];
  readonly done: Promise<void>;
  reconnects = 0;
  #isStopped = false;

  constructor(
    private readonly client: ApiClient,
    readonly jobId: string,
  ) {
    this.done = this.#follow();
  }

  /** For a run that is given up; it takes effect when the line breaks. */
  stop(): void {
    this.#isStopped = true;
  }

  async #follow(): Promise<void> {
    while (!this.#isStopped) {
      try {
        if (await this.#readOn()) return;
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // As fetch has it when the control plane was killed under it.
      }
      this.reconnects += 1;
      await sleep(RECONNECT_MS);
    }
  }

  /** True once the end item has come. */
  async #readOn(): Promise<boolean> {
    const headers = { "last-event-id": this.items.at(-1)?.id ?? "0" };
    const response = await this.client.send("GET", `/anneal/v1/jobs/${this.jobId}/stream`, { headers });
    if (response.status === 204) return true;
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      return false;
    }
    for await (const item of readSse(response.body)) {
      this.items.push(item);
      if (item.event === "end") return true;
    }
    return false;
  }
}
