/**
 * The WebSocket over which the worker calls: wake, cancel, drain. It only saves time: without it the lease loop polls
 * and heartbeats tell the same. It is opened again for ever, with jitter; a peer that leaves a ping unanswered is
 * taken for gone, since a half-open connection would otherwise look fine for a quarter of an hour.
 */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { Agent, WebSocket, ping } from "undici";
import { socketMessage, type SocketMessage } from "../../protocol";
import type { Clock } from "./clock";
import type { Log } from "./log";
import { Waker } from "./waker";

/** Proxies commonly cut a connection that is silent for 60 s. */
const PING_EVERY_MS = 25_000;
const PONG_WITHIN_MS = 10_000;
const RECONNECT_BASE_MS = 500;
const RECONNECT_MAX_MS = 15_000;
const PONG_CHANNEL = "undici:websocket:pong";

export interface ConnectionDeps {
  readonly url: string;
  readonly agentToken: () => string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly onMessage: (message: SocketMessage) => void;
  /** The socket has come up or gone down. */
  readonly onChange: () => void;
}

export class Connection {
  isUp = false;
  private readonly dispatcher = new Agent();

  constructor(private readonly deps: ConnectionDeps) {}

  /** Keeps the socket open until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.deps;
    for (let failures = 0; !signal.aborted; failures += 1) {
      if (await this.session(signal)) failures = 0;
      const ceilingMs = Math.min(RECONNECT_MAX_MS, RECONNECT_BASE_MS * 2 ** Math.min(failures, 10));
      await clock.sleep(ceilingMs * (0.5 + random() / 2), signal);
    }
    await this.dispatcher.destroy();
  }

  /** One connection from handshake to end; whether it ever opened. */
  private async session(signal: AbortSignal): Promise<boolean> {
    const url = new URL("/agent/v1/connect", this.deps.url);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url, {
      headers: { authorization: `Bearer ${this.deps.agentToken()}` },
      dispatcher: this.dispatcher,
    });
    const ended = new AbortController();
    let hasOpened = false;
    const end = (): void => {
      if (socket.readyState <= WebSocket.OPEN) socket.close();
      ended.abort();
    };
    signal.addEventListener("abort", end, { once: true });
    socket.addEventListener("open", () => {
      hasOpened = true;
      this.change(true);
      void this.keepAlive(socket, ended.signal, end);
    });
    socket.addEventListener("message", (event) => this.receive(event.data));
    await new Promise<void>((resolve) => {
      socket.addEventListener("close", () => resolve());
      ended.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    ended.abort();
    signal.removeEventListener("abort", end);
    this.change(false);
    return hasOpened;
  }

  private change(isUp: boolean): void {
    if (this.isUp === isUp) return;
    this.isUp = isUp;
    this.deps.log.info(isUp ? "socket is up" : "socket is down; polling");
    this.deps.onChange();
  }

  private receive(data: unknown): void {
    let message: unknown;
    try {
      message = typeof data === "string" ? JSON.parse(data) : undefined;
    } catch {
      message = undefined;
    }
    const parsed = socketMessage.safeParse(message);
    if (parsed.success) this.deps.onMessage(parsed.data);
    else this.deps.log.warn("the socket brought a message that this agent does not know");
  }

  private async keepAlive(socket: WebSocket, ended: AbortSignal, end: () => void): Promise<void> {
    const pong = new Waker();
    const onPong = (message: unknown): void => {
      if (isAbout(message, socket)) pong.wake();
    };
    subscribe(PONG_CHANNEL, onPong);
    try {
      for (;;) {
        await this.deps.clock.sleep(PING_EVERY_MS, ended);
        if (ended.aborted) return;
        const answered = pong.signal;
        ping(socket);
        await this.deps.clock.sleep(PONG_WITHIN_MS, AbortSignal.any([answered, ended]));
        if (!answered.aborted && !ended.aborted) {
          this.deps.log.warn("the socket does not answer a ping; opening another");
          end();
        }
      }
    } finally {
      unsubscribe(PONG_CHANNEL, onPong);
    }
  }
}

function isAbout(message: unknown, socket: WebSocket): boolean {
  return typeof message === "object" && message !== null && "websocket" in message && message.websocket === socket;
}
