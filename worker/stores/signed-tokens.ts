/**
 * Tokens that carry their own facts: key id "." base64url(JSON) "." base64url(HMAC-SHA-256 over purpose, key id, JSON). Compared
 * in constant time. One secret (ANNEAL_SIGNING_KEY), one key id today; a token is good for its one purpose only.
 */
import { DomainError } from "../domain/errors";

const KEY_ID = "1";

export type Purpose = "download" | "part" | "upload" | "agent";

export class SignedTokens {
  readonly #key: Promise<CryptoKey>;

  constructor(secret: string) {
    this.#key = crypto.subtle.importKey(
      "raw",
      new TextEncoder().encode(secret),
      { name: "HMAC", hash: "SHA-256" },
      false,
      ["sign", "verify"],
    );
  }

  async sign(purpose: Purpose, facts: Record<string, unknown>): Promise<string> {
    const body = Buffer.from(JSON.stringify(facts)).toString("base64url");
    const mac = await crypto.subtle.sign("HMAC", await this.#key, message(purpose, body));
    return `${KEY_ID}.${body}.${Buffer.from(mac).toString("base64url")}`;
  }

  /** The facts of a token of this purpose that is not expired. */
  async verify(purpose: Purpose, token: string, nowMs: number): Promise<Record<string, unknown>> {
    const [keyId, body = "", mac = "", ...rest] = token.split(".");
    const genuine =
      keyId === KEY_ID &&
      rest.length === 0 &&
      (await crypto.subtle.verify("HMAC", await this.#key, Buffer.from(mac, "base64url"), message(purpose, body)));
    if (!genuine) throw new DomainError("unauthenticated", "the signature is not valid");
    const facts = JSON.parse(Buffer.from(body, "base64url").toString()) as Record<string, unknown>;
    if (typeof facts["exp"] !== "number" || facts["exp"] <= nowMs) {
      throw new DomainError("unauthenticated", "the signature has expired");
    }
    return facts;
  }
}

function message(purpose: Purpose, body: string): Uint8Array {
  return new TextEncoder().encode(`${purpose}\n${KEY_ID}\n${body}`);
}
