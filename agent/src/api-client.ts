/**
 * The worker's agent API, thin and typed: one method an endpoint, no retries (retry.ts owns those). Every answer is
 * parsed; an unreadable one is a NetworkError, since it says nothing of what happened.
 */
import { Agent, request, type Dispatcher } from "undici";
import type { z } from "zod";
import {
  agentError,
  beginCheckpointResponse,
  commitCheckpointResponse,
  finishResponse,
  lease,
  registerResponse,
  reportResponse,
  servedDeployments,
  type BeginCheckpointRequest,
  type BeginCheckpointResponse,
  type ClaimRequest,
  type CommitCheckpointRequest,
  type CommitCheckpointResponse,
  type FinishRequest,
  type Lease,
  type RegisterRequest,
  type RegisterResponse,
  type ReleaseRequest,
  type ReportResponse,
  type ServedDeployments,
} from "../../protocol";
import { ApiError, NetworkError } from "./api-error";

export interface AgentApi {
  register(body: RegisterRequest, bearer: string): Promise<RegisterResponse>;
  /** null: nothing to do. */
  claim(body: ClaimRequest, signal: AbortSignal): Promise<Lease | null>;
  /** `json` is a reportRequest; it comes as text because the spool keeps it so. */
  report(leaseId: string, json: string, signal: AbortSignal): Promise<ReportResponse>;
  /** The same endpoint on a connection of its own, so that a beat never waits behind other traffic. */
  heartbeat(leaseId: string, json: string, timeoutMs: number, signal: AbortSignal): Promise<ReportResponse>;
  beginCheckpoint(leaseId: string, body: BeginCheckpointRequest, signal: AbortSignal): Promise<BeginCheckpointResponse>;
  commitCheckpoint(
    leaseId: string,
    body: CommitCheckpointRequest,
    signal: AbortSignal,
  ): Promise<CommitCheckpointResponse>;
  /** What the engine of a serve task has at the moment. */
  deployments(leaseId: string, signal: AbortSignal): Promise<ServedDeployments>;
  finish(leaseId: string, body: FinishRequest, signal: AbortSignal): Promise<void>;
  release(leaseId: string, body: ReleaseRequest, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** Who calls: the token of the moment, and what to do when it is refused. */
export interface Credentials {
  agentToken(): string;
  /** Tries to get a new token; false when there is none to be had. */
  refresh(refused: string): Promise<boolean>;
}

/** A long poll is answered after 20 s at most; a commit may read 64 MiB files. Twice and thrice that. */
const ANSWER_TIMEOUT_MS = 60_000;

interface Call {
  readonly path: string;
  /** null: a GET. */
  readonly json: string | null;
  readonly dispatcher: Dispatcher;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export class ApiClient implements AgentApi {
  private readonly main = new Agent();
  private readonly beats = new Agent();

  constructor(
    private readonly baseUrl: string,
    private readonly credentials: () => Credentials,
  ) {}

  async register(body: RegisterRequest, bearer: string): Promise<RegisterResponse> {
    const call = this.call("/agent/v1/register", JSON.stringify(body));
    return required(await send(this.baseUrl, call, bearer, registerResponse));
  }

  claim(body: ClaimRequest, signal: AbortSignal): Promise<Lease | null> {
    return this.authorized(this.call("/agent/v1/leases", JSON.stringify(body), signal), lease);
  }

  async report(leaseId: string, json: string, signal: AbortSignal): Promise<ReportResponse> {
    return required(await this.authorized(this.call(leasePath(leaseId, "reports"), json, signal), reportResponse));
  }

  async heartbeat(leaseId: string, json: string, timeoutMs: number, signal: AbortSignal): Promise<ReportResponse> {
    const call = { ...this.call(leasePath(leaseId, "reports"), json, signal), dispatcher: this.beats, timeoutMs };
    return required(await this.authorized(call, reportResponse));
  }

  async beginCheckpoint(
    leaseId: string,
    body: BeginCheckpointRequest,
    signal: AbortSignal,
  ): Promise<BeginCheckpointResponse> {
    const call = this.call(leasePath(leaseId, "checkpoints/begin"), JSON.stringify(body), signal);
    return required(await this.authorized(call, beginCheckpointResponse));
  }

  async commitCheckpoint(
    leaseId: string,
    body: CommitCheckpointRequest,
    signal: AbortSignal,
  ): Promise<CommitCheckpointResponse> {
    const call = this.call(leasePath(leaseId, "checkpoints/commit"), JSON.stringify(body), signal);
    return required(await this.authorized(call, commitCheckpointResponse));
  }

  async deployments(leaseId: string, signal: AbortSignal): Promise<ServedDeployments> {
    const call = this.call(leasePath(leaseId, "deployments"), null, signal);
    return required(await this.authorized(call, servedDeployments));
  }

  async finish(leaseId: string, body: FinishRequest, signal: AbortSignal): Promise<void> {
    await this.authorized(this.call(leasePath(leaseId, "finish"), JSON.stringify(body), signal), finishResponse);
  }

  async release(leaseId: string, body: ReleaseRequest, signal: AbortSignal): Promise<void> {
    await this.authorized(this.call(leasePath(leaseId, "release"), JSON.stringify(body), signal), finishResponse);
  }

  async close(): Promise<void> {
    await Promise.all([this.main.destroy(), this.beats.destroy()]);
  }

  private call(path: string, json: string | null, signal?: AbortSignal): Call {
    return { path, json, signal, dispatcher: this.main, timeoutMs: ANSWER_TIMEOUT_MS };
  }

  /** With the agent token; when that is refused, once more with a new one if there is one to be had. */
  private async authorized<T>(call: Call, schema: z.ZodType<T>): Promise<T | null> {
    const credentials = this.credentials();
    const token = credentials.agentToken();
    try {
      return await send(this.baseUrl, call, token, schema);
    } catch (error) {
      const isRefused = error instanceof ApiError && error.status === 401;
      if (!isRefused || !(await credentials.refresh(token))) throw error;
      return send(this.baseUrl, call, credentials.agentToken(), schema);
    }
  }
}

function leasePath(leaseId: string, what: string): string {
  return `/agent/v1/leases/${encodeURIComponent(leaseId)}/${what}`;
}

async function send<T>(baseUrl: string, call: Call, bearer: string, schema: z.ZodType<T>): Promise<T | null> {
  const { status, headers, text } = await exchange(baseUrl, call, bearer);
  if (status === 204) return null;
  if (status >= 400) throw toApiError(status, text, headers["retry-after"]);
  const parsed = schema.safeParse(readJson(text));
  if (!parsed.success) throw new NetworkError(`answer of ${call.path} (${status}) is not what the protocol says`);
  return parsed.data;
}

async function exchange(baseUrl: string, call: Call, bearer: string): Promise<Answer> {
  try {
    const { statusCode, headers, body } = await request(new URL(call.path, baseUrl), {
      method: call.json === null ? "GET" : "POST",
      dispatcher: call.dispatcher,
      headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
      body: call.json,
      headersTimeout: call.timeoutMs,
      bodyTimeout: call.timeoutMs,
      signal: call.signal,
    });
    return { status: statusCode, headers, text: await body.text() };
  } catch (error) {
    throw new NetworkError(error);
  }
}

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
}

/** The error a response means, with the worker's own code where its body has one. */
export function toApiError(status: number, text: string, retryAfter: string | string[] | undefined): ApiError {
  const parsed = agentError.safeParse(readJson(text));
  const seconds = typeof retryAfter === "string" ? Number(retryAfter) : NaN;
  const retryAfterMs = Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null;
  if (!parsed.success) return new ApiError(status, "http_error", text.slice(0, 200), {}, retryAfterMs);
  const { code, message, detail } = parsed.data.error;
  return new ApiError(status, code, message, detail, retryAfterMs);
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // No schema of ours takes undefined, so the caller reports it.
  }
}

function required<T>(value: T | null): T {
  if (value === null) throw new NetworkError("an answer without a body where the protocol has one");
  return value;
}
