/** The agent's only place that builds things. Tests call it with a clock, a trainer command and a log of their own. */
import { Agent as Transfers } from "undici";
import type { SlotInfo } from "../../protocol";
import { ApiClient } from "./api-client";
import { CacheSpace, defaultCacheBytes } from "./cache-space";
import type { CanaryOptions } from "./canary";
import type { Clock } from "./clock";
import { Connection } from "./connection";
import { probeHost } from "./host-probe";
import { Identity } from "./identity";
import { InputCache } from "./input-cache";
import { LeaseLoop } from "./lease-loop";
import { clearLeftovers, takeStateDir } from "./leftovers";
import type { Log } from "./log";
import { statePaths } from "./paths";
import { signalGroup } from "./process-table";
import { Aborted, createRetrier } from "./retry";
import { TaskRun } from "./task-run";
import type { ServerCommands, TaskDeps } from "./task-work";
import type { TrainerCommand } from "./trainer-env";
import type { TrainerProcess } from "./trainer-process";
import { WarmTrainers } from "./warm-trainers";

export interface AgentOptions {
  readonly url: string;
  readonly bootstrapToken: string;
  readonly stateDir: string;
  readonly name: string;
  readonly version: string;
  readonly once: boolean;
  readonly command: TrainerCommand;
  readonly servers: ServerCommands;
  /** Finds how far this host confines user code. */
  readonly canary: CanaryOptions["canary"];
  /** What the trainer's environment and the host's probe are taken from. */
  readonly env: NodeJS.ProcessEnv;
  readonly torchThreads: number | null;
  /** Keep a trainer with its imports done while there is no job. */
  readonly warmTrainer: boolean;
  /** Bound on what is kept on disk between tasks; null is a share of the disk. */
  readonly cacheBytes: number | null;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
}

export interface RunningAgent {
  /** The process's exit code. */
  readonly done: Promise<number>;
  /** Stop leasing, save and give back what runs, end. */
  drain(): void;
  /** End the trainers at once; the caller exits. */
  kill(): void;
}

export function startAgent(options: AgentOptions): RunningAgent {
  const trainers = new Set<number>();
  const draining = new AbortController();
  return {
    done: runAgent(options, trainers, draining.signal),
    drain: () => draining.abort(),
    kill: () => {
      for (const group of trainers) signalGroup(group, "SIGKILL");
    },
  };
}

async function runAgent(options: AgentOptions, trainers: Set<number>, draining: AbortSignal): Promise<number> {
  const { clock, log, random, url } = options;
  const paths = statePaths(options.stateDir);
  const leaveStateDir = await takeStateDir(paths);
  const retrier = createRetrier(clock, random);
  const api: ApiClient = new ApiClient(url, (): Identity => identity);
  const identity = await Identity.load({
    path: paths.identity,
    url,
    bootstrapToken: options.bootstrapToken,
    api: () => api,
    retrier,
    clock,
    log,
  });
  const transfers = new Transfers();
  const onStart = ({ pid }: TrainerProcess): (() => void) => {
    trainers.add(pid);
    return () => void trainers.delete(pid);
  };
  const cache = new CacheSpace(paths.cache, options.cacheBytes ?? (await defaultCacheBytes(paths.root)));
  // A hub folder that the machine's owner has named stays the owner's to bound.
  const env = { HF_HOME: paths.cache.hub, ...options.env };
  const warm = new WarmTrainers({ ...options, env, paths, onStart, freeMemory: () => process.availableMemory() });
  const tasks: TaskDeps = {
    ...options,
    env,
    baseUrl: url,
    api,
    transfers,
    retrier,
    paths,
    cache,
    inputs: new InputCache(cache, log),
    agentToken: () => identity.agentToken(),
    renewToken: (token, expiresAtMs) => identity.renew(token, expiresAtMs),
    onStart,
    startTrainer: (leaseId, slot, task) => warm.trainerFor(leaseId, slot, task),
  };
  try {
    await clearLeftovers(paths, log);
    const privatePaths = [paths.identity, paths.tasks, paths.cache.files, paths.cache.hub];
    const facts = await probeHost({ ...options, privatePaths, python: options.command.command });
    const { agent_id: id } = await identity.register(facts, draining);
    log.info(`registered as ${id} with ${facts.slots.map((slot) => slot.id).join(", ")}`);
    log.info(`isolation of user code: level ${facts.isolation.level}, ${facts.isolation.detail}`);
    return await serve(options, facts.slots, identity, tasks, warm, draining);
  } catch (error) {
    if (error instanceof Aborted) return 0;
    throw error;
  } finally {
    await Promise.all([api.close(), transfers.destroy()]);
    await leaveStateDir();
  }
}

async function serve(
  { url, clock, log, random, once }: AgentOptions,
  slots: readonly SlotInfo[],
  identity: Identity,
  tasks: TaskDeps,
  warm: WarmTrainers,
  draining: AbortSignal,
): Promise<number> {
  const closing = new AbortController();
  const connection: Connection = new Connection({
    url,
    clock,
    random,
    log,
    agentToken: () => identity.agentToken(),
    onMessage: (message) => (message.type === "drain" ? loop.drain() : loop.receive(message)),
    onChange: () => loop.reconsider(),
  });
  const loop: LeaseLoop = new LeaseLoop({
    ...tasks,
    slots,
    once,
    isSocketUp: () => connection.isUp,
    renewIfAgeing: () => identity.renewIfAgeing(),
    onIdle: (free) => warm.keep(free),
    startTask: (lease, slot) => new TaskRun(lease, slot, tasks),
  });
  draining.addEventListener("abort", () => loop.drain(), { once: true });
  if (draining.aborted) loop.drain();
  const connected = connection.run(closing.signal);
  try {
    const outcomes = await loop.run();
    return once && outcomes[0] !== "completed" ? 1 : 0;
  } finally {
    closing.abort();
    await Promise.all([connected, warm.stop()]);
  }
}
