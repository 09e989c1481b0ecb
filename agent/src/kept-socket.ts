/**
 * A WebSocket to the worker that is opened again for as long as it is wanted, with jitter. A peer that leaves a ping
 * unanswered is taken for gone, since a half-open connection would otherwise look fine for a quarter of an hour.
 */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { Agent, WebSocket, ping } from "undici";
import type { Clock } from "./clock";
import type { Log } from "./log";
import { Waker } from "./waker";

/** Proxies commonly cut a connection that is silent for 60 s. */
const PING_EVERY_MS = 25_000;
const PONG_WITHIN_MS = 10_000;
const RECONNECT_BASE_MS = 500;
const RECONNECT_MAX_MS = 15_000;
const PONG_CHANNEL = "undici:websocket:pong";

export interface KeptSocketDeps {
  readonly url: string;
  /** Below the deployment's address, with its query. */
  readonly path: string;
  readonly agentToken: () => string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** A text, or the bytes of a binary message. */
  readonly onMessage: (data: unknown) => void;
  readonly onOpen: (send: (bytes: Uint8Array<ArrayBuffer>) => void, close: () => void) => void;
  /** Once after each `onOpen`. */
  readonly onClose: () => void;
}

export class KeptSocket {
  private readonly dispatcher = new Agent();

  constructor(private readonly deps: KeptSocketDeps) {}

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
    const url = new URL(this.deps.path, this.deps.url);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url, {
      headers: { authorization: `Bearer ${this.deps.agentToken()}` },
      dispatcher: this.dispatcher,
    });
    socket.binaryType = "arraybuffer";
    const ended = new AbortController();
    let hasOpened = false;
    const end = (): void => {
      if (socket.readyState <= WebSocket.OPEN) socket.close();
      ended.abort();
    };
    signal.addEventListener("abort", end, { once: true });
    socket.addEventListener("open", () => {
      if (ended.signal.aborted) return;
      hasOpened = true;
      this.deps.onOpen((bytes) => {
        if (socket.readyState === WebSocket.OPEN) socket.send(bytes);
      }, end);
      void this.keepAlive(socket, ended.signal, end);
    });
    socket.addEventListener("message", (event) => {
      if (!ended.signal.aborted) this.deps.onMessage(event.data);
    });
    await new Promise<void>((resolve) => {
      socket.addEventListener("close", () => resolve());
      ended.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    ended.abort();
    signal.removeEventListener("abort", end);
    if (hasOpened) this.deps.onClose();
    return hasOpened;
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
