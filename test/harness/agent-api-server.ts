/**
 * A strict stand-in for the worker's /agent/v1, over real HTTP and a real WebSocket, for tests of the agent alone. It
 * refuses what the protocol does not allow and notes it in `violations`, which every test expects to be empty. What a
 * test wants to go wrong is set on it: outages, error answers, directives, stale leases.
 */
import { createHash, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { z } from "zod";
import {
  beginCheckpointRequest,
  claimRequest,
  commitCheckpointRequest,
  finishRequest,
  registerRequest,
  releaseRequest,
  reportRequest,
  type BeginCheckpointRequest,
  type CommitCheckpointRequest,
  type DataItem,
  type Directive,
  type FinishRequest,
  type Lease,
  type LogLine,
  type RegisterRequest,
  type ReleaseRequest,
  type ReportRequest,
  type ServedDeployment,
  type SocketMessage,
} from "../../protocol";
import { AgentApiFiles } from "./agent-api-files";
import { EngineSocketPeer } from "./engine-socket-peer";

const BOOTSTRAP_TOKEN = "bootstrap-token-of-the-tests";

export interface LeaseState {
  readonly lease: Lease;
  directive: Directive;
  isStale: boolean;
  heartbeats: number;
  lastStep: number | null;
  readonly data: DataItem[];
  readonly logs: LogLine[];
  readonly seqs: { data: number; logs: number };
  readonly reports: number[];
  readonly begun: Map<string, BeginCheckpointRequest>;
  readonly committed: CommitCheckpointRequest[];
  finish: FinishRequest | null;
  release: ReleaseRequest | null;
}

export interface Fault {
  readonly path: RegExp;
  times: number;
  /** An error answer, or the connection cut: before the request has its effect or after. */
  readonly answer: { status: number; retryAfter?: string; code?: string } | "cut" | "cut_after";
}

class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail?: Record<string, unknown>,
  ) {
    super(code);
  }
}

export class AgentApiServer {
  readonly files = new AgentApiFiles();
  readonly violations: string[] = [];
  readonly registrations: RegisterRequest[] = [];
  readonly claims: z.infer<typeof claimRequest>[] = [];
  readonly leases = new Map<string, LeaseState>();
  readonly queue: Lease[] = [];
  readonly faults: Fault[] = [];
  /** Every connection is cut at once while this is set. */
  isDown = false;
  flushMs = 10;
  /** Data and logs are answered so late; heartbeats at once. */
  reportDelayMs = 0;
  /** How many data items the lease had at each commit. */
  readonly dataAtCommit: number[] = [];
  agentToken = "agent-token-1";
  tokenLifeMs = 3_600_000;
  /** Answered in the next heartbeat, then forgotten. */
  renewedToken: string | null = null;
  sockets: Duplex[] = [];
  /** Of the one engine of a test, and how often its list was asked for. */
  deployments: ServedDeployment[] = [];
  deploymentsAsked = 0;
  /** Sockets of agents to the engine; the last is the one that is open. */
  readonly engineSockets: EngineSocketPeer[] = [];
  private readonly granted = new Map<string, Lease>();
  private readonly nonces = new Map<string, string>();
  private readonly server: Server;

  private constructor() {
    this.server = createServer((request, response) => void this.handle(request, response));
    this.server.on("upgrade", (request: IncomingMessage, socket: Duplex) => this.upgrade(request, socket));
  }

  static async start(): Promise<AgentApiServer> {
    const api = new AgentApiServer();
    await new Promise<void>((resolve) => api.server.listen(0, "127.0.0.1", resolve));
    return api;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get bootstrapToken(): string {
    return BOOTSTRAP_TOKEN;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    for (const socket of this.engineSockets) socket.drop();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  push(message: SocketMessage | string): void {
    const text = Buffer.from(typeof message === "string" ? message : JSON.stringify(message));
    const length = text.length < 126 ? Buffer.from([text.length]) : Buffer.from([126, text.length >> 8, text.length]);
    for (const socket of this.sockets) socket.write(Buffer.concat([Buffer.from([0x81]), length, text]));
  }

  dropSockets(): void {
    for (const socket of this.sockets.splice(0)) socket.destroy();
  }

  get engineSocket(): EngineSocketPeer {
    const last = this.engineSockets.at(-1);
    if (!last) throw new Error("no agent has opened the engine's socket");
    return last;
  }

  /** The one lease of a test. */
  get only(): LeaseState {
    const [first] = this.leases.values();
    if (!first) throw new Error("nothing has been leased");
    return first;
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.isDown) {
      request.socket.destroy();
      return;
    }
    const { pathname } = new URL(request.url ?? "/", this.url);
    const fault = this.faults.find(({ path, times }) => times > 0 && path.test(pathname));
    if (fault) fault.times -= 1;
    if (fault?.answer === "cut") {
      request.socket.destroy();
      return;
    }
    if (fault && fault.answer !== "cut_after") {
      const { status, retryAfter, code = "fault" } = fault.answer;
      if (retryAfter !== undefined) response.setHeader("retry-after", retryAfter);
      response.writeHead(status).end(JSON.stringify({ error: { code, message: "as the test asked" } }));
      return;
    }
    try {
      await this.route(request, response, pathname, fault?.answer === "cut_after");
    } catch (error) {
      this.refuse(response, pathname, error);
    }
  }

  private refuse(response: ServerResponse, pathname: string, error: unknown): void {
    const { status, code, detail } = error instanceof Refusal ? error : new Refusal(500, String(error));
    if (status === 400 || status === 500) this.violations.push(`${pathname}: ${code}`);
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify({ error: { code, message: code, detail } }));
  }

  private async route(
    request: IncomingMessage,
    response: ServerResponse,
    pathname: string,
    cutAfter: boolean,
  ): Promise<void> {
    const [, first, second, third = ""] = pathname.split("/");
    if (first === "files") return this.files.get(second ?? "", request, response);
    if (first === "parts") return this.files.put(second ?? "", Number(third), request, response);
    const body = request.method === "GET" ? null : await readBody(request);
    if (this.reportDelayMs > 0 && isReport(body)) await sleep(this.reportDelayMs);
    const answer = this.answer(request, pathname, body);
    if (cutAfter) {
      request.socket.destroy();
      return;
    }
    if (answer === null) response.writeHead(204).end();
    else response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
  }

  private answer(request: IncomingMessage, pathname: string, body: unknown): unknown {
    const bearer = request.headers.authorization ?? "";
    const isGet = /^\/agent\/v1\/leases\/[^/]+\/deployments$/.test(pathname);
    if (request.method !== (isGet ? "GET" : "POST")) throw new Refusal(400, `method ${request.method}`);
    if (pathname === "/agent/v1/register") return this.register(bearer, strict(registerRequest, body));
    if (bearer !== `Bearer ${this.agentToken}`) throw new Refusal(401, "unauthorized");
    if (pathname === "/agent/v1/leases") return this.claim(strict(claimRequest, body));
    const [, leaseId = "", what] = /^\/agent\/v1\/leases\/([^/]+)\/(.+)$/.exec(pathname) ?? [];
    const state = this.leases.get(leaseId);
    if (!state) throw new Refusal(404, "not_found");
    if (state.isStale) throw new Refusal(409, "stale_lease");
    if (what === "deployments") {
      this.deploymentsAsked += 1;
      return { deployments: this.deployments };
    }
    if (what === "reports") return this.report(state, strict(reportRequest, body));
    if (what === "checkpoints/begin") return this.begin(state, strict(beginCheckpointRequest, body));
    if (what === "checkpoints/commit") return this.commit(state, strict(commitCheckpointRequest, body));
    if (what === "finish") return this.finish(state, strict(finishRequest, body));
    if (what === "release") {
      state.release = strict(releaseRequest, body);
      return { status: "queued" };
    }
    throw new Refusal(400, `no such path ${pathname}`);
  }

  private register(bearer: string, body: RegisterRequest): unknown {
    const agent = this.nonces.get(body.nonce);
    if (bearer !== `Bearer ${BOOTSTRAP_TOKEN}` && bearer !== `Bearer ${this.agentToken}`) {
      throw new Refusal(401, "unauthorized");
    }
    const agentId = agent ?? `agent_${this.nonces.size + 1}`;
    this.nonces.set(body.nonce, agentId);
    this.registrations.push(body);
    return {
      agent_id: agentId,
      agent_token: this.agentToken,
      token_expires_at_ms: Date.now() + this.tokenLifeMs,
      heartbeat_ms: 20,
      lease_ms: 1000,
    };
  }

  private claim(body: z.infer<typeof claimRequest>): unknown {
    this.claims.push(body);
    const before = this.granted.get(body.claim_id);
    if (before) return before;
    const fitting = this.queue.filter(({ slot_id: slot }) => body.free_slots.some(({ id }) => id === slot));
    const lease = fitting.find(({ task_id: id }) => id === body.task_id) ?? fitting[0];
    if (!lease) return null;
    this.queue.splice(this.queue.indexOf(lease), 1);
    this.granted.set(body.claim_id, lease);
    this.leases.set(lease.lease_id, newLeaseState(lease));
    return lease;
  }

  private report(state: LeaseState, body: ReportRequest): unknown {
    if (state.finish || state.release) throw new Refusal(409, "stale_lease");
    if (body.lane === "heartbeat") {
      state.heartbeats += 1;
      state.lastStep = body.step;
      return this.reportAnswer(state, true);
    }
    const expected = state.seqs[body.lane] + 1;
    if (body.seq > expected) throw new Refusal(409, "seq_gap", { expected });
    if (body.seq < expected) return this.reportAnswer(state, false);
    state.seqs[body.lane] = body.seq;
    if (body.lane === "data") {
      state.data.push(...body.items);
      state.reports.push(body.items.length);
    } else state.logs.push(...body.lines);
    return this.reportAnswer(state, false);
  }

  private reportAnswer(state: LeaseState, isBeat: boolean): unknown {
    const answer = {
      directive: state.directive,
      expires_at_ms: Date.now() + state.lease.lease_ms,
      flush_ms: this.flushMs,
    };
    if (!isBeat || this.renewedToken === null) return answer;
    this.agentToken = this.renewedToken;
    this.renewedToken = null;
    return { ...answer, agent_token: this.agentToken, token_expires_at_ms: Date.now() + this.tokenLifeMs };
  }

  private begin(state: LeaseState, body: BeginCheckpointRequest): unknown {
    const id = `ckpt_${randomUUID()}`;
    state.begun.set(id, body);
    return { checkpoint_id: id, files: this.files.begin(body.files) };
  }

  private commit(state: LeaseState, body: CommitCheckpointRequest): unknown {
    const begun = state.begun.get(body.checkpoint_id);
    if (!begun) throw new Refusal(400, "commit of a checkpoint that was not begun");
    const named = body.files.map(({ role, path, size }) => ({ role, path, size }));
    if (!isDeepStrictEqual(named, begun.files)) throw new Refusal(400, "commit of other files than were begun");
    for (const file of body.files) this.checkFile(file);
    this.dataAtCommit.push(state.data.length);
    if (!state.committed.some(({ checkpoint_id: id }) => id === body.checkpoint_id)) state.committed.push(body);
    return { checkpoint_id: body.checkpoint_id, ordinal: ["resume", "test"].includes(body.kind) ? null : 1 };
  }

  private checkFile(file: CommitCheckpointRequest["files"][number]): void {
    const stored = [...this.files.parts(file.upload)].sort(([a], [b]) => a - b);
    const held = stored.map(([number, { bytes, md5, etag }]) => ({ number, size: bytes.length, md5, etag }));
    if (!isDeepStrictEqual(held, file.parts)) throw new Refusal(400, `parts of ${file.path} are not those sent`);
    const whole = this.bytesOf(file);
    if (whole.length !== file.size) throw new Refusal(400, `size of ${file.path}`);
    if (createHash("sha256").update(whole).digest("hex") !== file.sha256) {
      throw new Refusal(400, `SHA-256 of ${file.path}`);
    }
  }

  /** What was uploaded for a committed file. */
  bytesOf(file: Pick<CommitCheckpointRequest["files"][number], "upload">): Buffer {
    const stored = [...this.files.parts(file.upload)].sort(([a], [b]) => a - b);
    return Buffer.concat(stored.map(([, { bytes }]) => bytes));
  }

  private finish(state: LeaseState, body: FinishRequest): unknown {
    const isTrained = state.lease.inputs.test?.is_trained ?? false;
    const hasFinal = isTrained || state.committed.some(({ kind }) => kind === "final");
    if (body.outcome === "completed" && !hasFinal) throw new Refusal(409, "no_final_checkpoint");
    state.finish = body;
    return { status: body.outcome };
  }

  private upgrade(request: IncomingMessage, socket: Duplex): void {
    socket.on("error", () => undefined); // A peer that goes away is what some tests are about.
    const isKnown = request.headers.authorization === `Bearer ${this.agentToken}`;
    const engine = /^\/agent\/v1\/engines\/eng_1\/connect\?shard=0&lease=([^&]+)$/.exec(request.url ?? "");
    const isEngine = engine !== null && this.leases.get(engine[1] ?? "")?.isStale === false;
    if (this.isDown || (request.url !== "/agent/v1/connect" && !isEngine) || !isKnown) {
      socket.end("HTTP/1.1 401 Unauthorized\r\nconnection: close\r\n\r\n");
      return;
    }
    const key = `${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash("sha1").update(key).digest("base64");
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
    );
    if (isEngine) {
      const onViolation = (what: string): void => void this.violations.push(what);
      this.engineSockets.push(new EngineSocketPeer(request.url ?? "", socket, onViolation));
      return;
    }
    this.sockets.push(socket);
    socket.on("data", () => undefined);
    socket.on("close", () => {
      this.sockets = this.sockets.filter((open) => open !== socket);
    });
  }
}

function newLeaseState(lease: Lease): LeaseState {
  return {
    lease,
    directive: "continue",
    isStale: false,
    heartbeats: 0,
    lastStep: null,
    data: [],
    logs: [],
    seqs: { data: 0, logs: 0 },
    reports: [],
    begun: new Map(),
    committed: [],
    finish: null,
    release: null,
  };
}

/** Parses a body and refuses what the schema would only strip. */
function strict<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (!parsed.success) throw new Refusal(400, parsed.error.message);
  if (!isDeepStrictEqual(parsed.data, body))
    throw new Refusal(400, "the body has keys that the protocol does not know");
  return parsed.data;
}

function isReport(body: unknown): boolean {
  return typeof body === "object" && body !== null && "lane" in body && body.lane !== "heartbeat";
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  if (bytes.length > 1024 * 1024 && request.url?.endsWith("/reports")) throw new Refusal(400, "report over 1 MiB");
  return JSON.parse(bytes.toString("utf8"));
}
