/**
 * The keys of our JWTs as an isolate holds them: read once, by `kid`, and again after some minutes or for a `kid` that is
 * not known. Only what was read is kept between requests, never a promise: one request cannot wait for another's.
 */
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from "jose";
import { loggable } from "../domain/errors";
import type { Clock } from "../domain/ports";
import {
  isRotationDue,
  KEYS_READ_AGAIN_MS,
  outdatedKeys,
  signingKeyAt,
  type SigningKeyRecord,
} from "../domain/signing-keys";
import type { SigningKeyStore } from "../domain/token-ports";
import type { SecretBox } from "./secret-box";

export const ALGORITHM = "ES256";

export class JwtKeys {
  readonly #store: SigningKeyStore;
  readonly #box: SecretBox;
  readonly #clock: Clock;
  #keys: SigningKeyRecord[] = [];
  #readAtMs = -Infinity;
  readonly #public = new Map<string, CryptoKey>();
  #private: { kid: string; key: CryptoKey } | null = null;

  constructor(store: SigningKeyStore, box: SecretBox, clock: Clock) {
    this.#store = store;
    this.#box = box;
    this.#clock = clock;
  }

  /** null: no such key signs here, or not any more. */
  async publicKey(kid: string): Promise<CryptoKey | null> {
    if (this.#isOld() || !this.#public.has(kid)) await this.#read();
    return this.#public.get(kid) ?? null;
  }

  async signingKey(): Promise<{ kid: string; key: CryptoKey }> {
    if (this.#isOld() || this.#keys.length === 0) await this.#read();
    const present = signingKeyAt(this.#keys, this.#clock.nowMs());
    if (present === undefined || this.#private?.kid !== present.kid) {
      this.#private = await this.#opened(
        present === undefined ? [] : [present, ...this.#keys.filter((key) => key !== present)],
      );
    }
    return this.#private;
  }

  /** The first of them that opens; a new one when the secret that sealed them is another now. */
  async #opened(candidates: SigningKeyRecord[]): Promise<{ kid: string; key: CryptoKey }> {
    for (const { kid, privateSealed } of candidates) {
      try {
        return { kid, key: await imported(JSON.parse(await this.#box.open("jwt-private-key", privateSealed)) as JWK) };
      } catch (error) {
        console.error("a signing key does not open with this deployment's secret", kid, loggable(error));
      }
    }
    return this.#opened([await this.#make()]);
  }

  async published(): Promise<Record<string, string>[]> {
    if (this.#isOld()) await this.#read();
    return this.#keys.map(({ publicJwk }) => publicJwk);
  }

  async rotate(): Promise<void> {
    await this.#read();
    const nowMs = this.#clock.nowMs();
    if (isRotationDue(this.#keys, nowMs)) await this.#make();
    const over = outdatedKeys(this.#keys, nowMs);
    if (over.length > 0) await this.#store.remove(over.map(({ kid }) => kid));
  }

  #isOld(): boolean {
    return this.#clock.nowMs() - this.#readAtMs > KEYS_READ_AGAIN_MS;
  }

  async #read(): Promise<void> {
    const keys = await this.#store.list();
    const imports = keys.map(async ({ kid, publicJwk }) => [kid, await imported(publicJwk)] as const);
    const read = await Promise.all(imports);
    this.#public.clear();
    for (const [kid, key] of read) this.#public.set(kid, key);
    this.#keys = keys;
    this.#readAtMs = this.#clock.nowMs();
  }

  /** Two isolates may make one each at the same time: both are good. */
  async #make(): Promise<SigningKeyRecord> {
    const pair = await generateKeyPair(ALGORITHM, { extractable: true });
    const bare = await exportJWK(pair.publicKey);
    const kid = await calculateJwkThumbprint(bare);
    const key: SigningKeyRecord = {
      kid,
      publicJwk: { ...(bare as Record<string, string>), kid, alg: ALGORITHM, use: "sig" },
      privateSealed: await this.#box.seal("jwt-private-key", JSON.stringify(await exportJWK(pair.privateKey))),
      createdAtMs: this.#clock.nowMs(),
    };
    await this.#store.add(key);
    await this.#read();
    return key;
  }
}

async function imported(jwk: JWK): Promise<CryptoKey> {
  const key = await importJWK(jwk, ALGORITHM);
  if (key instanceof Uint8Array) throw new Error("a signing key is no key pair");
  return key;
}
