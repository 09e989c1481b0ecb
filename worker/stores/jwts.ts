/** JWTs of ours, and of the one issuer outside that the deployment may be set to trust. By jose. */
import {
  createRemoteJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  errors,
  jwtVerify,
  SignJWT,
  type JWTPayload,
} from "jose";
import { z } from "zod";
import { SCOPES, type Scope } from "../domain/accounts";
import { DomainError, loggable } from "../domain/errors";
import { isBareId, parseId, PROJECT_PREFIX } from "../domain/ids";
import type { Clock } from "../domain/ports";
import type { Credential, Jwts, OutsideIssuer } from "../domain/token-ports";
import { ALGORITHM, type JwtKeys } from "./jwt-keys";

/** What an outside token may do that says nothing which is a scope here. */
const OUTSIDE_SCOPES: Scope[] = ["read", "write"];
const FETCH_TIMEOUT_MS = 5000;
/** A key that an issuer has just begun to sign with is not refused for long; nor can strangers make us ask it all the time. */
const KEYS_ASKED_AGAIN_MS = 1000;

const projectId = z.string().transform((text, context) => {
  const id = parseId(PROJECT_PREFIX, text);
  if (id !== null) return id;
  context.addIssue({ code: "custom", message: "is not the id of a project" });
  return z.NEVER;
});

const ours = z.object({
  key_id: z.string().refine(isBareId),
  project: z.object({ id: projectId }),
  scopes: z.array(z.enum(SCOPES)),
});

const outside = z.object({
  sub: z.string().min(1).max(200),
  scope: z.string().optional(),
  scopes: z.array(z.string()).optional(),
  project: z.union([projectId, z.object({ id: projectId }).transform(({ id }) => id)]).optional(),
});

export class JoseJwts implements Jwts {
  readonly audience: string;
  readonly #keys: JwtKeys;
  readonly #clock: Clock;
  readonly #outside: OutsideIssuer | null;
  readonly #outsideKeys: ReturnType<typeof createRemoteJWKSet> | null;

  constructor(keys: JwtKeys, clock: Clock, audience: string, outsideIssuer: OutsideIssuer | null) {
    this.#keys = keys;
    this.#clock = clock;
    this.audience = audience;
    this.#outside = outsideIssuer;
    this.#outsideKeys =
      outsideIssuer &&
      createRemoteJWKSet(new URL(outsideIssuer.jwksUrl), {
        timeoutDuration: FETCH_TIMEOUT_MS,
        cooldownDuration: KEYS_ASKED_AGAIN_MS,
      });
  }

  async sign(claims: Record<string, unknown>): Promise<string> {
    const { kid, key } = await this.#keys.signingKey();
    return new SignJWT(claims).setProtectedHeader({ alg: ALGORITHM, kid, typ: "JWT" }).sign(key);
  }

  async verify(token: string): Promise<Exclude<Credential, { kind: "key" }>> {
    try {
      if (this.#outside !== null && decodeJwt(token).iss === this.#outside.issuer) {
        return await this.#verifyOutside(token, this.#outside);
      }
      return await this.#verifyOurs(token);
    } catch (error) {
      throw refused(error);
    }
  }

  publicKeys(): Promise<Record<string, string>[]> {
    return this.#keys.published();
  }

  rotate(): Promise<void> {
    return this.#keys.rotate();
  }

  async #verifyOurs(token: string): Promise<Extract<Credential, { kind: "token" }>> {
    const kid = kidOf(token);
    const key = kid === null ? null : await this.#keys.publicKey(kid);
    if (key === null) throw new DomainError("unauthenticated", "the token is not signed by this deployment");
    const { payload } = await jwtVerify(token, key, {
      algorithms: [ALGORITHM],
      audience: this.audience,
      requiredClaims: ["exp"],
      currentDate: new Date(this.#clock.nowMs()),
    });
    const { key_id: keyId, project, scopes } = claimsOf(ours, payload);
    return { kind: "token", keyId, projectId: project.id, scopes };
  }

  async #verifyOutside(token: string, trusted: OutsideIssuer): Promise<Extract<Credential, { kind: "outside" }>> {
    if (this.#outsideKeys === null) throw new Error("an issuer without keys");
    const { payload } = await jwtVerify(token, this.#outsideKeys, {
      algorithms: trusted.algorithms,
      issuer: trusted.issuer,
      audience: trusted.audience,
      requiredClaims: ["exp"],
      currentDate: new Date(this.#clock.nowMs()),
    });
    const { sub, scope, scopes, project } = claimsOf(outside, payload);
    const said = [...(scopes ?? []), ...(scope ?? "").split(" ")];
    const known = SCOPES.filter((name) => name !== "admin" && said.includes(name));
    return {
      kind: "outside",
      accountId: trusted.accountId,
      projectId: project ?? null,
      subject: sub,
      // Of `scope` other words are common; who sends a list of scopes means it, an empty one too.
      scopes: known.length > 0 || scopes !== undefined ? known : OUTSIDE_SCOPES,
    };
  }
}

/** null: there is no header, or it names no key. */
function kidOf(token: string): string | null {
  try {
    return decodeProtectedHeader(token).kid ?? null;
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

function claimsOf<T>(schema: z.ZodType<T>, payload: JWTPayload): T {
  const parsed = schema.safeParse(payload);
  if (parsed.success) return parsed.data;
  const claim = parsed.error.issues[0]?.path.join(".") ?? "";
  throw new DomainError("unauthenticated", `the token's claim ${claim} is not as it must be`);
}

/** What jose has against a token, in a sentence of ours. */
function refused(error: unknown): DomainError {
  if (error instanceof DomainError) return error;
  if (error instanceof errors.JWTExpired) return new DomainError("unauthenticated", "the token has expired");
  if (error instanceof errors.JWTClaimValidationFailed) {
    return new DomainError("unauthenticated", `the token's claim ${error.claim} is not as it must be`);
  }
  // A generic error of jose's, and any that is not jose's, is about the issuer's keys and not about the token.
  const aboutToken = error instanceof errors.JOSEError && error.code !== "ERR_JOSE_GENERIC";
  if (aboutToken && !(error instanceof errors.JWKSTimeout) && !(error instanceof errors.JWKSInvalid)) {
    return new DomainError("unauthenticated", "the token is not valid");
  }
  console.error("the keys of the outside issuer could not be read", loggable(error));
  return new DomainError("unavailable", "the keys that tokens are held against cannot be read at the moment");
}
