/**
 * The keys that sign our JWTs. What each is good for follows from when it was made: a new one is published for a while
 * before it signs, so that whoever keeps a copy of the JWKS has it by then, and stays published until what it signed is over.
 */

export interface SigningKeyRecord {
  kid: string;
  publicJwk: Record<string, string>;
  /** Sealed: only the store can open it. */
  privateSealed: string;
  createdAtMs: number;
}

/** Tokens live this long; their clients ask for another in time. */
export const TOKEN_LIFE_MS = 10 * 60_000;

/** A key is followed by another after this time. */
export const KEY_LIFE_MS = 30 * 24 * 60 * 60_000;

/** Isolates look at the keys again after this time, and those outside may keep the JWKS as long. */
export const KEYS_READ_AGAIN_MS = 5 * 60_000;

/** Published before it signs: longer than any copy of the keys is kept. */
const PUBLISHED_BEFORE_MS = 15 * 60_000;

/** Kept after its last signature. */
const KEPT_AFTER_MS = 60 * 60_000;

type Made = Pick<SigningKeyRecord, "createdAtMs">;

/** Of the keys, newest first, the one that signs; the very first one signs at once. */
export function signingKeyAt<Key extends Made>(keys: readonly Key[], nowMs: number): Key | undefined {
  return keys.find(({ createdAtMs }) => createdAtMs + PUBLISHED_BEFORE_MS <= nowMs) ?? keys.at(-1);
}

export function isRotationDue(keys: readonly Made[], nowMs: number): boolean {
  const [newest] = keys;
  return newest !== undefined && newest.createdAtMs + KEY_LIFE_MS <= nowMs;
}

/** Those of the keys, newest first, that nothing can be signed with which is still good. */
export function outdatedKeys<Key extends Made>(keys: readonly Key[], nowMs: number): Key[] {
  const over = keys.findIndex(({ createdAtMs }) => createdAtMs + PUBLISHED_BEFORE_MS + KEPT_AFTER_MS <= nowMs);
  return over === -1 ? [] : keys.slice(over + 1);
}
