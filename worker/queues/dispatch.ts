/** The dispatch queue: ids only, a hint. A lost message costs delay; a doubled one is idempotent. */
import { z } from "zod";
import { loggable } from "../domain/errors";
import type { DispatchQueue, QueueMessage } from "../domain/ports";

export const queueMessage = z.object({ type: z.literal("tick"), jobId: z.string() });

/** `sendBatch` takes at most 100 messages. */
const BATCH = 100;

export class WorkerDispatchQueue implements DispatchQueue {
  readonly #queue: Queue<QueueMessage>;

  constructor(queue: Queue<QueueMessage>) {
    this.#queue = queue;
  }

  async send(message: QueueMessage, delaySeconds: number): Promise<void> {
    await this.#queue.send(message, { delaySeconds });
  }

  async sendMany(messages: QueueMessage[]): Promise<void> {
    for (let at = 0; at < messages.length; at += BATCH) {
      await this.#queue.sendBatch(messages.slice(at, at + BATCH).map((body) => ({ body })));
    }
  }
}

/** Ticks each job that a batch names; one that fails is tried again, and after the last try the dead letters have it. */
export async function consumeDispatch(batch: MessageBatch, tick: (jobId: string) => Promise<void>): Promise<void> {
  await Promise.all(
    batch.messages.map(async (message) => {
      const parsed = queueMessage.safeParse(message.body);
      if (!parsed.success) {
        console.error("a dispatch message of an unknown shape was dropped", message.id);
        message.ack();
        return;
      }
      try {
        await tick(parsed.data.jobId);
        message.ack();
      } catch (error) {
        console.error("a tick failed", parsed.data.jobId, loggable(error));
        message.retry();
      }
    }),
  );
}

/** Dead letters are only told of: the sweep names their jobs again. */
export function consumeDeadLetters(batch: MessageBatch): void {
  for (const message of batch.messages) {
    console.error("a dispatch message was given up; the sweep will name its job again", JSON.stringify(message.body));
    message.ack();
  }
}
