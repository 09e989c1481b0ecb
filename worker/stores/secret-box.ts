/**
 * Secrets at rest: AES-GCM under a key that HKDF makes of the deployment's signing key, one for each purpose.
 * A sealed text is key id "." base64url(nonce) "." base64url(ciphertext), so that a key can be changed.
 */
const KEY_ID = "1";
const NONCE_BYTES = 12;

export type SecretPurpose = "environment-api-key" | "jwt-private-key";

export class SecretBox {
  readonly #secret: Promise<CryptoKey>;

  constructor(secret: string) {
    this.#secret = crypto.subtle.importKey("raw", new TextEncoder().encode(secret), "HKDF", false, ["deriveKey"]);
  }

  async seal(purpose: SecretPurpose, text: string): Promise<string> {
    const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    const key = await this.#key(purpose);
    const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce }, key, new TextEncoder().encode(text));
    return [KEY_ID, Buffer.from(nonce).toString("base64url"), Buffer.from(sealed).toString("base64url")].join(".");
  }

  /** Throws when it was sealed under another secret or for another purpose. */
  async open(purpose: SecretPurpose, sealed: string): Promise<string> {
    const [keyId, nonce = "", body = ""] = sealed.split(".");
    if (keyId !== KEY_ID) throw new Error(`a secret was sealed under the unknown key ${String(keyId)}`);
    const key = await this.#key(purpose);
    const iv = Buffer.from(nonce, "base64url");
    return new TextDecoder().decode(
      await crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, Buffer.from(body, "base64url")),
    );
  }

  async #key(purpose: SecretPurpose): Promise<CryptoKey> {
    const derivation = {
      name: "HKDF",
      hash: "SHA-256",
      salt: new Uint8Array(),
      info: new TextEncoder().encode(`anneal secret box ${purpose}`),
    };
    return crypto.subtle.deriveKey(derivation, await this.#secret, { name: "AES-GCM", length: 256 }, false, [
      "encrypt",
      "decrypt",
    ]);
  }
}
