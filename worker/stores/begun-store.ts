/** Checkpoints that were begun and not committed yet: a row lives from the begin to the commit, or to the sweep. */
import { asc, eq, lt } from "drizzle-orm";
import { FIRST_SHARD, shardOf } from "../domain/ids";
import type { BegunCheckpoint, BegunStore } from "../domain/ports";
import type { Databases } from "./database";
import { begunCheckpoints } from "./schema";

export class D1BegunStore implements BegunStore {
  readonly #databases: Databases;

  constructor(databases: Databases) {
    this.#databases = databases;
  }

  async add(begun: BegunCheckpoint): Promise<void> {
    await this.#databases(shardOf(begun.checkpointId)).insert(begunCheckpoints).values(begun);
  }

  async remove(checkpointId: string): Promise<void> {
    await this.#databases(shardOf(checkpointId))
      .delete(begunCheckpoints)
      .where(eq(begunCheckpoints.checkpointId, checkpointId));
  }

  async before(atMs: number, limit: number): Promise<BegunCheckpoint[]> {
    return this.#databases(FIRST_SHARD)
      .select()
      .from(begunCheckpoints)
      .where(lt(begunCheckpoints.begunAtMs, atMs))
      .orderBy(asc(begunCheckpoints.begunAtMs))
      .limit(limit);
  }
}
