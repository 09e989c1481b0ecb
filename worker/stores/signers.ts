/** Signed URLs and agent tokens, over one kind of signed token. */
import { z } from "zod";
import { SIGNED_URL_TTL_MS } from "../domain/artifacts";
import type { Clock, SignedDownload, TokenSigner, UrlSigner } from "../domain/ports";
import type { SignedUpload, UploadUrls } from "../domain/upload-ports";
import { UPLOAD_TTL_MS } from "../domain/uploads";
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
const uploadFacts = z.object({
  uploadId: z.string().nullable(),
  accountId: z.string(),
  projectId: z.string(),
  sessionId: z.string(),
  name: z.string(),
  beginByMs: z.number(),
});
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

/** An upload in pieces goes on for as long as an upload lives; that it begins in time is for the service to see. */
export class UploadUrlSigner implements UploadUrls {
  readonly #tokens: SignedTokens;
  readonly #clock: Clock;

  constructor(tokens: SignedTokens, clock: Clock) {
    this.#tokens = tokens;
    this.#clock = clock;
  }

  async sign(upload: SignedUpload, origin: string): Promise<string> {
    const exp = upload.beginByMs + (upload.uploadId === null ? 0 : UPLOAD_TTL_MS);
    return `${origin}/uploads/${await this.#tokens.sign("upload", { ...upload, exp })}`;
  }

  async verify(token: string): Promise<SignedUpload> {
    return uploadFacts.parse(await this.#tokens.verify("upload", token, this.#clock.nowMs()));
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
