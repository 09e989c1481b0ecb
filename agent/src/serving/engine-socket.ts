/** The agent's own socket to an engine's object: requests come in on it and their answers go out (design/relay.md). */
import { decodeFrames, engineStatus, jsonOf, type Frame } from "../../../protocol";
import { KeptSocket, type KeptSocketDeps } from "../kept-socket";
import { describeError } from "../log";
import { Outbox } from "./outbox";

export interface EngineSocketDeps extends Pick<KeptSocketDeps, "url" | "agentToken" | "clock" | "random" | "log"> {
  readonly engineId: string;
  readonly leaseId: string;
  /** The socket is up, and the other side knows nothing of us. */
  readonly onOpen: () => void;
  readonly onClose: () => void;
  readonly onDeploymentsChanged: () => void;
  /** A frame of a stream. */
  readonly onFrame: (frame: Frame) => void;
}

/** One engine has one object today; the path has its number from the start. */
const SHARD = "0";

export class EngineSocket {
  private outbox: Outbox | null = null;
  private readonly socket: KeptSocket;

  constructor(private readonly deps: EngineSocketDeps) {
    const query = new URLSearchParams({ shard: SHARD, lease: deps.leaseId }).toString();
    let close = (): void => undefined;
    this.socket = new KeptSocket({
      ...deps,
      path: `/agent/v1/engines/${encodeURIComponent(deps.engineId)}/connect?${query}`,
      onOpen: (send, closeSocket) => {
        this.outbox = new Outbox(deps.clock, send);
        close = closeSocket;
        deps.onOpen();
      },
      onClose: () => {
        this.outbox?.close();
        this.outbox = null;
        deps.onClose();
      },
      onMessage: (data) => {
        try {
          this.receive(data);
        } catch (error) {
          deps.log.warn(`${deps.leaseId}: the engine's socket is not to be understood: ${describeError(error)}`);
          close();
        }
      },
    });
  }

  /** Keeps the socket open until the signal aborts. */
  run(signal: AbortSignal): Promise<void> {
    return this.socket.run(signal);
  }

  /** Without a socket there is nobody to tell: a new one begins with `onOpen`. */
  send(frame: Frame): void {
    this.outbox?.push(frame);
  }

  flush(): void {
    this.outbox?.flush();
  }

  private receive(data: unknown): void {
    if (!(data instanceof ArrayBuffer)) throw new Error("a message that is not binary");
    for (const frame of decodeFrames(new Uint8Array(data))) {
      if (frame.type !== "status") this.deps.onFrame(frame);
      else if (engineStatus.parse(jsonOf(frame)).type === "deployments_changed") this.deps.onDeploymentsChanged();
    }
  }
}
