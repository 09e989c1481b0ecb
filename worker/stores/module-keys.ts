/**
 * Keys of the Training Module's sessions: `tm_` and an HMAC-SHA-256 over the session's id, under the deployment's signing
 * key. Nothing of them is stored, so that a look at the database gives none away; a session that has ended has none.
 */
import type { ModuleKeys } from "../domain/module-sessions";

const PREFIX = "tm_";
const MAC_CHARS = 43;

export class HmacModuleKeys implements ModuleKeys {
  readonly #key: Promise<CryptoKey>;

  constructor(secret: string) {
    const bytes = new TextEncoder().encode(secret);
    this.#key = crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
  }

  async keyOf(sessionId: string): Promise<string> {
    const mac = await crypto.subtle.sign("HMAC", await this.#key, message(sessionId));
    return PREFIX + Buffer.from(mac).toString("base64url");
  }

  /** `verify` compares in constant time. */
  async isKeyOf(sessionId: string, key: string): Promise<boolean> {
    const mac = key.slice(PREFIX.length);
    if (!key.startsWith(PREFIX) || mac.length !== MAC_CHARS) return false;
    const bytes = Buffer.from(mac, "base64url");
    // Characters that base64url has not are left out in decoding, and its last one has bits to spare.
    if (bytes.toString("base64url") !== mac) return false;
    return crypto.subtle.verify("HMAC", await this.#key, bytes, message(sessionId));
  }
}

/** Of a form that no other use of the signing key signs. */
function message(sessionId: string): Uint8Array {
  return new TextEncoder().encode(`training-module session\n1\n${sessionId}`);
}
