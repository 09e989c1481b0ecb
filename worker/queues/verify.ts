/** The verify queue: one large file of a committed checkpoint a message. A lost one is sent again by the sweep. */
import { z } from "zod";
import { loggable } from "../domain/errors";
import type { VerifyMessage, VerifyQueue } from "../domain/ports";

const verifyMessage = z.object({ jobId: z.string(), checkpointId: z.string(), file: z.int() });

export class WorkerVerifyQueue implements VerifyQueue {
  readonly #queue: Queue<VerifyMessage>;

  constructor(queue: Queue<VerifyMessage>) {
    this.#queue = queue;
  }

  async sendMany(messages: VerifyMessage[]): Promise<void> {
    if (messages.length > 0) await this.#queue.sendBatch(messages.map((body) => ({ body })));
  }
}

export async function consumeVerify(
  batch: MessageBatch,
  verify: (message: VerifyMessage) => Promise<void>,
): Promise<void> {
  for (const message of batch.messages) {
    const parsed = verifyMessage.safeParse(message.body);
    if (!parsed.success) {
      console.error("a verify message of an unknown shape was dropped", message.id);
      message.ack();
      continue;
    }
    try {
      await verify(parsed.data);
      message.ack();
    } catch (error) {
      console.error("a checkpoint was not verified", parsed.data.checkpointId, loggable(error));
      message.retry();
    }
  }
}
