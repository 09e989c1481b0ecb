/** JWTs for holders of API keys. */

export interface TokenServices {
  /** Throws `unauthenticated`, or `forbidden` with an `errorCode` for a token that nobody gets here. */
  issueToken(request: TokenRequest): Promise<IssuedToken>;
  /** As a JWKS has them: public. */
  publicKeys(): Promise<Record<string, string>[]>;
  /** From time to time: a new signing key when one is due. */
  rotateKeys(): Promise<void>;
}

export interface TokenRequest {
  /** In the header; null: only the body has a key. */
  presented: string | null;
  /** In the body. */
  key?: string | undefined;
  type?: "apikey" | "user" | "project" | "environment" | "agent" | "service_account" | undefined;
  accountId?: string | undefined;
  projectId?: string | undefined;
  audience?: string | undefined;
  /** Earlier than a token would end of itself. */
  expiresAtMs?: number | undefined;
  origin: string;
}

export interface IssuedToken {
  token: string;
  expiresInSeconds: number;
}
