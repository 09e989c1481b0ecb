/** What services need of tokens and of those who hold them. */
import type { Scope } from "./accounts";
import type { SigningKeyRecord } from "./signing-keys";

/** What a request shows, verified as far as that goes without the database. */
export type Credential =
  | { kind: "key"; sha256: string }
  /** One of our JWTs: good while its key is, for the one project, and for no more than both say. */
  | { kind: "token"; keyId: string; projectId: string; scopes: Scope[] }
  /** A JWT of the configured issuer; null: the account's first project. */
  | { kind: "outside"; accountId: string; projectId: string | null; subject: string; scopes: Scope[] };

/** The one issuer besides ourselves that a deployment may be set to trust. */
export interface OutsideIssuer {
  issuer: string;
  jwksUrl: string;
  algorithms: string[];
  audience: string;
  /** Whose its tokens are, all of them. */
  accountId: string;
}

/** The names that a token tells its holder. */
export interface TokenNames {
  account: string;
  project: string;
  key: string;
}

export interface SigningKeyStore {
  /** Newest first. */
  list(): Promise<SigningKeyRecord[]>;
  add(key: SigningKeyRecord): Promise<void>;
  remove(kids: string[]): Promise<void>;
}

export interface Jwts {
  /** What our tokens name as their audience. */
  readonly audience: string;
  /** ES256, with the present key; the first is made on the way. */
  sign(claims: Record<string, unknown>): Promise<string>;
  /** A token of ours or of the configured issuer. Throws `unauthenticated`, or `unavailable` when that one's keys cannot be read. */
  verify(token: string): Promise<Exclude<Credential, { kind: "key" }>>;
  /** The public keys, as a JWKS has them. */
  publicKeys(): Promise<Record<string, string>[]>;
  /** Makes the next key when it is due, and removes those that are over. */
  rotate(): Promise<void>;
}
