/**
 * The WebSocket over which the worker calls: wake, cancel, drain. It only saves time: without it the lease loop polls
 * and heartbeats tell the same.
 */
import { socketMessage, type SocketMessage } from "../../protocol";
import { KeptSocket, type KeptSocketDeps } from "./kept-socket";

export interface ConnectionDeps extends Pick<KeptSocketDeps, "url" | "agentToken" | "clock" | "random" | "log"> {
  readonly onMessage: (message: SocketMessage) => void;
  /** The socket has come up or gone down. */
  readonly onChange: () => void;
}

export class Connection {
  isUp = false;
  private readonly socket: KeptSocket;

  constructor(private readonly deps: ConnectionDeps) {
    this.socket = new KeptSocket({
      ...deps,
      path: "/agent/v1/connect",
      onMessage: (data) => this.receive(data),
      onOpen: () => this.change(true),
      onClose: () => this.change(false),
    });
  }

  /** Keeps the socket open until the signal aborts. */
  run(signal: AbortSignal): Promise<void> {
    return this.socket.run(signal);
  }

  private change(isUp: boolean): void {
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
}
