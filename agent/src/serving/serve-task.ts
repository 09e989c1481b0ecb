/**
 * The work of a serve task: a model server that runs as long as it is wanted, the engine's deployments loaded into it,
 * and the socket on which their requests come. Asked to stop, it lets those that it has taken in end before it goes.
 */
import { join } from "node:path";
import { endingOfWish, failedEnding, type Ending } from "../decide-ending";
import { fetchInputs, type InputDeps } from "../inputs";
import { LogPump } from "../log-pump";
import { LogQuota } from "../log-quota";
import { UNTIL_ANSWERED } from "../retry";
import type { TaskWork } from "../task-work";
import { localBaseModel } from "../trainer-config";
import { Deployments } from "./deployments";
import { EngineSocket } from "./engine-socket";
import { fetchDeployment } from "./fetch-deployment";
import { keepServer } from "./keep-server";
import type { ModelServer } from "./model-server";
import { RequestStreams } from "./request-streams";
import { startModelServer } from "./start-server";
import { StreamEnd } from "./stream-end";
import { jsonFrame, type DataItem } from "../../../protocol";

/** For the requests that are under way, whoever ends the task: the agent's own end, or an engine that is deactivated. */
const GRACE_MS = 30_000;

/** The ending is decided by what it returns, after the reports are through. */
export async function serveTask(work: TaskWork): Promise<() => Ending> {
  const { lease, paths, control, lanes, deps } = work;
  const transfer = { baseUrl: deps.baseUrl, dispatcher: deps.transfers, retrier: deps.retrier, inputs: deps.inputs };
  const inputs = await fetchInputs(lease, paths, transfer, control.stopping);
  const baseModel = localBaseModel(lease.base_model, inputs);
  const pump = logPump(work);
  const serving = new Serving(work, transfer);
  try {
    const failure = await keepServer({
      ...deps,
      leaseId: lease.lease_id,
      stopping: control.stopping,
      answered: () => serving.answered,
      start: () => startModelServer(work, baseModel, pump),
      onUp: (server) => serving.up(server),
      onDown: async (why) => {
        serving.down(why);
        await lanes.data.push({ type: "notice", ts_ms: deps.clock.now(), message: `${why}; it is started again` });
      },
      drain: () => serving.drain(),
    });
    await pump.finish();
    if (failure === null) return () => endingOfWish(control.wish);
    return () => failedEnding("trainer_error", failure, pump.lastLines());
  } finally {
    await serving.close();
  }
}

function logPump({ lease, lanes, deps: { clock } }: TaskWork): LogPump {
  const sink = {
    hasRoom: () => lanes.logs.hasRoom,
    log: lanes.logs.push.bind(lanes.logs),
    notice: lanes.data.push.bind(lanes.data),
  };
  return new LogPump(new LogQuota(lease.limits, clock), sink, clock);
}

/** What of a serve task outlives its model server. */
class Serving {
  private readonly over = new AbortController();
  private readonly deployments: Deployments;
  private readonly streams: RequestStreams;
  private readonly socket: EngineSocket;
  private readonly running: Promise<void>[];
  /** The first one, and then whichever runs; all are alike. */
  private server: ModelServer | null = null;

  constructor(
    private readonly work: TaskWork,
    transfer: InputDeps,
  ) {
    const { lease, paths, deps } = work;
    const { lease_id: leaseId } = lease;
    this.deployments = new Deployments({
      ...deps,
      leaseId,
      folder: join(paths.root, "deployments"),
      list: (signal) => deps.retrier.run(() => deps.api.deployments(leaseId, signal), UNTIL_ANSWERED, signal),
      fetch: (source, folder, signal) => fetchDeployment(source, folder, transfer, signal),
      tell: (status) => this.socket.send(jsonFrame("status", 0, status)),
    });
    this.streams = new RequestStreams({
      ...deps,
      send: (frame) => this.socket.send(frame),
      serverOf: (id) => this.deployments.serverOf(id),
      maxStreams: () => (this.server ? this.server.maxActive + this.server.maxQueue : 0),
    });
    this.socket = new EngineSocket({
      ...deps,
      url: deps.baseUrl,
      engineId: lease.spec.serve?.engine_id ?? "",
      leaseId,
      onOpen: () => {
        if (this.server) this.deployments.announce(this.server);
      },
      onClose: () => this.streams.socketGone(),
      onDeploymentsChanged: () => this.deployments.changed(),
      onFrame: (frame) => this.streams.receive(frame),
    });
    // Files are fetched while the model server starts.
    this.running = [this.deployments.run(this.over.signal)];
  }

  get answered(): number {
    return this.streams.answered;
  }

  async up(server: ModelServer): Promise<void> {
    const isFirst = this.server === null;
    this.server = server;
    this.deployments.use(server);
    if (!isFirst) return;
    await this.work.lanes.data.push(startedItem(server, this.work.deps.clock.now()));
    this.running.push(this.socket.run(this.over.signal));
  }

  down(why: string): void {
    this.deployments.use(null);
    this.streams.endAll(new StreamEnd("server_error", why));
  }

  /** Nothing new is taken in, and what is under way may end. */
  async drain(): Promise<void> {
    const { control, deps } = this.work;
    const done = new AbortController();
    const waited = deps.clock.sleep(GRACE_MS, AbortSignal.any([done.signal, control.lost]));
    this.deployments.withdraw();
    const drained = this.streams.drain();
    await Promise.race([drained, waited]);
    done.abort();
    this.streams.endAll(new StreamEnd("draining", "the agent is being stopped"));
    await drained;
    this.socket.flush();
  }

  async close(): Promise<void> {
    this.over.abort();
    await Promise.all(this.running);
    this.streams.socketGone();
  }
}

function startedItem({ device, versions }: ModelServer, ts_ms: number): DataItem {
  return { type: "started", ts_ms, total_steps: 0, resumed_from_step: 0, world_size: 1, device, versions };
}
