/** The keys of our JWTs in D1. */
import { desc, inArray } from "drizzle-orm";
import { FIRST_SHARD } from "../domain/ids";
import type { SigningKeyRecord } from "../domain/signing-keys";
import type { SigningKeyStore } from "../domain/token-ports";
import type { Database, Databases } from "./database";
import { signingKeys } from "./schema";

export class D1SigningKeyStore implements SigningKeyStore {
  readonly #db: Database;

  constructor(databases: Databases) {
    this.#db = databases(FIRST_SHARD);
  }

  async list(): Promise<SigningKeyRecord[]> {
    return this.#db.select().from(signingKeys).orderBy(desc(signingKeys.createdAtMs), desc(signingKeys.kid));
  }

  async add(key: SigningKeyRecord): Promise<void> {
    await this.#db.insert(signingKeys).values(key);
  }

  async remove(kids: string[]): Promise<void> {
    await this.#db.delete(signingKeys).where(inArray(signingKeys.kid, kids));
  }
}
