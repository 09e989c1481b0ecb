/** Signed URLs and agent tokens, over one kind of signed token. */
import { z } from "zod";
import { SIGNED_URL_TTL_MS } from "../domain/artifacts";
import type { Clock, SignedDownload, TokenSigner, UrlSigner } from "../domain/ports";
import type { SignedTokens } from "./signed-tokens";

/** Agent tokens live an hour and are renewed by heartbeats. */
const AGENT_TOKEN_TTL_MS = 60 * 60 * 1000;

const downloadFacts = z.object({
  key: z.string(),
  sizeBytes: z.number(),
  sha256: z.string(),
  filename: z.string(),
  accountId: z.string(),
  member: z.object({ tarOffset: z.number(), sizeBytes: z.number() }).optional(),
});
const partFacts = z.object({ key: z.string(), uploadId: z.string(), number: z.number(), size: z.number() });
const agentFacts = z.object({ agentId: z.string(), accountId: z.string().nullable(), exp: z.number() });

export class WorkerUrlSigner implements UrlSigner {
  readonly #tokens: SignedTokens;
  readonly #clock: Clock;

  constructor(tokens: SignedTokens, clock: Clock) {
    this.#tokens = tokens;
    this.#clock = clock;
  }

  async download(blob: SignedDownload, origin: string): Promise<string> {
    const token = await this.#tokens.sign("download", { ...blob, exp: this.#clock.nowMs() + SIGNED_URL_TTL_MS });
    return `${origin}/blobs/${token}/${encodeURIComponent(blob.filename)}`;
  }

  async part(part: z.infer<typeof partFacts>, origin: string): Promise<string> {
    const token = await this.#tokens.sign("part", { ...part, exp: this.#clock.nowMs() + SIGNED_URL_TTL_MS });
    return `${origin}/agent/v1/parts/${token}`;
  }

  async verifyDownload(token: string): Promise<SignedDownload> {
    return downloadFacts.parse(await this.#tokens.verify("download", token, this.#clock.nowMs()));
  }

  async verifyPart(token: string): Promise<z.infer<typeof partFacts>> {
    return partFacts.parse(await this.#tokens.verify("part", token, this.#clock.nowMs()));
  }
}

export class AgentTokenSigner implements TokenSigner {
  readonly #tokens: SignedTokens;
  readonly #clock: Clock;

  constructor(tokens: SignedTokens, clock: Clock) {
    this.#tokens = tokens;
    this.#clock = clock;
  }

  async sign(agent: { agentId: string; accountId: string | null }): Promise<{ token: string; expiresAtMs: number }> {
    const exp = this.#clock.nowMs() + AGENT_TOKEN_TTL_MS;
    const facts = { agentId: agent.agentId, accountId: agent.accountId, exp };
    return { token: await this.#tokens.sign("agent", facts), expiresAtMs: exp };
  }

  async verify(token: string): Promise<{ agentId: string; accountId: string | null; expiresAtMs: number }> {
    const { exp, ...agent } = agentFacts.parse(await this.#tokens.verify("agent", token, this.#clock.nowMs()));
    return { ...agent, expiresAtMs: exp };
  }
}
