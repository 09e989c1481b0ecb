/**
 * Who this agent is: the nonce and the agent token, in the state directory (0600). Registering again with the same
 * bootstrap token and nonce gives the same agent, so a lost answer or a restart makes no second one. When the
 * bootstrap token is spent (its boot deadline is over) a stored token goes on until it expires, and is itself offered
 * to register, which is how an agent idle for longer than a token's life stays known.
 */
import { randomBytes } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { z } from "zod";
import { registerResponse, type RegisterRequest, type RegisterResponse } from "../../protocol";
import type { AgentApi, Credentials } from "./api-client";
import { isTransient } from "./api-error";
import type { Clock } from "./clock";
import { describeError, type Log } from "./log";
import { UNTIL_ANSWERED, type Retrier } from "./retry";

const identityFile = z.object({
  url: z.string(),
  nonce: z.string(),
  registration: registerResponse.nullable(),
});
type IdentityFile = z.infer<typeof identityFile>;

export type HostFacts = Omit<RegisterRequest, "nonce">;

export interface IdentityDeps {
  readonly path: string;
  readonly url: string;
  readonly bootstrapToken: string;
  readonly api: () => AgentApi;
  readonly retrier: Retrier;
  readonly clock: Clock;
  readonly log: Log;
}

/** Between two tries of an idle agent: a token's half life is many times this. */
const RENEWAL_PAUSE_MS = 60_000;

export class Identity implements Credentials {
  private stored: IdentityFile;
  private facts: HostFacts | null = null;
  private halfLifeMs = 0;
  private nextRenewalAtMs = 0;
  private refreshing: Promise<boolean> | null = null;
  private writes: Promise<void> = Promise.resolve();

  private constructor(
    private readonly deps: IdentityDeps,
    stored: IdentityFile | null,
  ) {
    this.stored = stored ?? { url: deps.url, nonce: randomBytes(24).toString("hex"), registration: null };
  }

  /** Reads the state directory; an unreadable file or one of another deployment is replaced. */
  static async load(deps: IdentityDeps): Promise<Identity> {
    const stored = await readStored(deps.path, deps.log);
    const identity = new Identity(deps, stored?.url === deps.url ? stored : null);
    await identity.save();
    return identity;
  }

  /** Says who is here. Throws when neither the bootstrap token nor a stored one is taken. */
  async register(facts: HostFacts, signal: AbortSignal): Promise<RegisterResponse> {
    this.facts = facts;
    const { registration } = this.stored;
    try {
      return await this.adopt(
        await this.deps.retrier.run(() => this.offer(this.deps.bootstrapToken), UNTIL_ANSWERED, signal),
      );
    } catch (error) {
      if (signal.aborted || !registration || registration.token_expires_at_ms <= this.deps.clock.now()) throw error;
      this.deps.log.warn(`registering was refused (${describeError(error)}); going on as ${registration.agent_id}`);
      return this.adopt(registration);
    }
  }

  agentToken(): string {
    if (!this.stored.registration) throw new Error("not registered yet");
    return this.stored.registration.agent_token;
  }

  /** A renewed token, as heartbeat answers bring it. */
  renew(token: string, expiresAtMs: number): void {
    if (!this.stored.registration) return;
    const registration = { ...this.stored.registration, agent_token: token, token_expires_at_ms: expiresAtMs };
    this.adopt(registration).catch((error: unknown) =>
      this.deps.log.warn(`could not store the token: ${describeError(error)}`),
    );
  }

  /** For an idle agent, whom no heartbeat's answer renews: registers again once the token is past half of its life. */
  async renewIfAgeing(): Promise<void> {
    const nowMs = this.deps.clock.now();
    const expiresAtMs = this.stored.registration?.token_expires_at_ms ?? Infinity;
    if (expiresAtMs - nowMs >= this.halfLifeMs || nowMs < this.nextRenewalAtMs) return;
    this.nextRenewalAtMs = nowMs + RENEWAL_PAUSE_MS;
    await this.refresh(this.agentToken());
  }

  refresh(refused: string): Promise<boolean> {
    if (this.agentToken() !== refused) return Promise.resolve(true);
    this.refreshing ??= this.registerAgain().finally(() => {
      this.refreshing = null;
    });
    return this.refreshing;
  }

  private async registerAgain(): Promise<boolean> {
    for (const bearer of [this.deps.bootstrapToken, this.agentToken()]) {
      try {
        await this.adopt(await this.offer(bearer));
        return true;
      } catch (error) {
        if (isTransient(error)) throw error;
        this.deps.log.warn(`could not register again: ${describeError(error)}`);
      }
    }
    return false;
  }

  private offer(bearer: string): Promise<RegisterResponse> {
    if (!this.facts) throw new Error("register first");
    return this.deps.api().register({ ...this.facts, nonce: this.stored.nonce }, bearer);
  }

  private async adopt(registration: RegisterResponse): Promise<RegisterResponse> {
    this.stored = { ...this.stored, registration };
    this.halfLifeMs = Math.max(0, (registration.token_expires_at_ms - this.deps.clock.now()) / 2);
    await this.save();
    return registration;
  }

  private save(): Promise<void> {
    const text = JSON.stringify(this.stored);
    const temporary = `${this.deps.path}.new`;
    this.writes = this.writes
      .catch(() => undefined) // The one before told its own caller.
      .then(() => writeFile(temporary, text, { mode: 0o600 }))
      .then(() => rename(temporary, this.deps.path));
    return this.writes;
  }
}

async function readStored(path: string, log: Log): Promise<IdentityFile | null> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    return null;
  });
  if (text === null) return null;
  try {
    return identityFile.parse(JSON.parse(text));
  } catch {
    log.warn(`${path} is not readable; this agent gets a new identity`);
    return null;
  }
}
