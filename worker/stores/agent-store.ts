/** Agents, the bootstrap tokens that made them, and the small table of those that wait for work. */
import { and, desc, eq, gt, gte, isNull, lt, or, sql } from "drizzle-orm";
import type { AgentRecord, BootstrapTokenRecord, SlotOffer, TaskNeeds } from "../domain/agents";
import { FIRST_SHARD } from "../domain/ids";
import type { AgentStore, Page, PageRequest } from "../domain/ports";
import type { Database, Databases } from "./database";
import { pageLimit, toPage } from "./paging";
import { agents, bootstrapTokens, idleAgents } from "./schema";

export class D1AgentStore implements AgentStore {
  readonly #db: Database;

  constructor(databases: Databases) {
    this.#db = databases(FIRST_SHARD);
  }

  async createToken(token: BootstrapTokenRecord, sha256: string): Promise<void> {
    await this.#db.insert(bootstrapTokens).values({ ...token, sha256 });
  }

  async listTokens(accountId: string, page: PageRequest): Promise<Page<BootstrapTokenRecord>> {
    const rows = await this.#db
      .select()
      .from(bootstrapTokens)
      .where(and(eq(bootstrapTokens.accountId, accountId), page.after ? lt(bootstrapTokens.id, page.after) : undefined))
      .orderBy(desc(bootstrapTokens.id))
      .limit(pageLimit(page));
    return toPage(rows.map(toToken), page);
  }

  async findToken(sha256: string): Promise<BootstrapTokenRecord | null> {
    const row = await this.#db.select().from(bootstrapTokens).where(eq(bootstrapTokens.sha256, sha256)).get();
    return row ? toToken(row) : null;
  }

  async register(token: BootstrapTokenRecord, nonce: string, agent: AgentRecord): Promise<void> {
    const row = { ...agent, tokenId: token.id, nonce };
    if (token.reusable) {
      await this.#db.insert(agents).values(row).onConflictDoNothing();
      return;
    }
    // The token goes to the first nonce; the agent is created only if that is ours.
    await this.#db.batch([
      this.#db
        .update(bootstrapTokens)
        .set({ nonce, agentId: agent.id })
        .where(and(eq(bootstrapTokens.id, token.id), isNull(bootstrapTokens.nonce))),
      // The columns in the order of the schema, as drizzle names them.
      this.#db.insert(agents).select(sql`SELECT ${row.id}, ${row.accountId}, id, ${nonce}, ${row.name},
        ${JSON.stringify(row.info)}, ${row.createdAtMs}, NULL FROM bootstrap_tokens WHERE id = ${token.id} AND agent_id = ${agent.id}`),
    ]);
  }

  async findByNonce(tokenId: string, nonce: string): Promise<AgentRecord | null> {
    const where = and(eq(agents.tokenId, tokenId), eq(agents.nonce, nonce));
    const row = await this.#db.select().from(agents).where(where).get();
    return row ? toAgent(row) : null;
  }

  async get(id: string): Promise<AgentRecord | null> {
    const row = await this.#db.select().from(agents).where(eq(agents.id, id)).get();
    return row ? toAgent(row) : null;
  }

  async describe(id: string, info: AgentRecord["info"]): Promise<void> {
    await this.#db.update(agents).set({ name: info.name, info }).where(eq(agents.id, id));
  }

  async list(accountId: string, page: PageRequest): Promise<Page<AgentRecord>> {
    const rows = await this.#db
      .select()
      .from(agents)
      .where(and(eq(agents.accountId, accountId), page.after ? lt(agents.id, page.after) : undefined))
      .orderBy(desc(agents.id))
      .limit(pageLimit(page));
    return toPage(rows.map(toAgent), page);
  }

  async revoke(accountId: string, id: string, nowMs: number): Promise<boolean> {
    const revoked = await this.#db
      .update(agents)
      // Again is as good as once: what follows a revocation may have to be repeated.
      .set({ revokedAtMs: sql`coalesce(${agents.revokedAtMs}, ${nowMs})` })
      .where(and(eq(agents.accountId, accountId), eq(agents.id, id)))
      .returning({ id: agents.id });
    return revoked.length > 0;
  }

  async setIdle(agentId: string, accountId: string | null, offers: SlotOffer[], nowMs: number): Promise<void> {
    const clear = this.#db.delete(idleAgents).where(eq(idleAgents.agentId, agentId));
    const inserts = offers.map((offer) =>
      this.#db.insert(idleAgents).values({
        agentId,
        slotId: offer.slot.id,
        accountId,
        gpuType: offer.gpuType,
        gpuCount: offer.gpuCount,
        sinceMs: nowMs,
        serveBytes: offer.serveBytes,
      }),
    );
    await this.#db.batch([clear, ...inserts]);
  }

  async clearIdle(agentId: string): Promise<void> {
    await this.#db.delete(idleAgents).where(eq(idleAgents.agentId, agentId));
  }

  async findIdle(accountId: string, needs: TaskNeeds, substitute: boolean, limit: number): Promise<string[]> {
    const isGpu = and(eq(idleAgents.gpuType, needs.gpuType), gt(idleAgents.gpuCount, needs.gpuCount - 1));
    const isSlot =
      needs.serveBytes === null ? isNull(idleAgents.serveBytes) : gte(idleAgents.serveBytes, needs.serveBytes);
    const rows = await this.#db
      .selectDistinct({ agentId: idleAgents.agentId, sinceMs: idleAgents.sinceMs })
      .from(idleAgents)
      .where(
        and(
          or(eq(idleAgents.accountId, accountId), isNull(idleAgents.accountId)),
          isSlot,
          substitute ? undefined : isGpu,
        ),
      )
      .orderBy(desc(idleAgents.sinceMs))
      .limit(limit);
    return [...new Set(rows.map((row) => row.agentId))];
  }
}

function toToken({ sha256: _, ...token }: typeof bootstrapTokens.$inferSelect): BootstrapTokenRecord {
  return token;
}

function toAgent({ tokenId: _token, nonce: _nonce, ...agent }: typeof agents.$inferSelect): AgentRecord {
  return agent;
}
