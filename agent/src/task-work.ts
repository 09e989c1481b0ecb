/** What the work of one lease is made of, whatever its kind. */
import type { Dispatcher } from "undici";
import type { Lease, SlotInfo } from "../../protocol";
import type { AgentApi } from "./api-client";
import type { CacheSpace } from "./cache-space";
import type { Clock } from "./clock";
import type { InputCache } from "./input-cache";
import type { Log } from "./log";
import type { StatePaths, TaskPaths } from "./paths";
import type { Lanes } from "./report-lanes";
import type { Retrier } from "./retry";
import type { TaskControl } from "./task-control";
import type { TrainerCommand } from "./trainer-env";
import type { TrainerProcess } from "./trainer-process";

/** How model servers are run. Only the container's code chooses it. */
export interface ServerCommands {
  /** The small server (protocol/model-server.ts). */
  readonly small: TrainerCommand;
  /** A vLLM executable of an environment of its own; null: there is none. */
  readonly vllm: string | null;
}

export interface TaskDeps {
  readonly baseUrl: string;
  readonly api: AgentApi;
  /** For bytes: parts and downloads, beside the API's own connections. */
  readonly transfers: Dispatcher;
  readonly retrier: Retrier;
  readonly clock: Clock;
  readonly log: Log;
  readonly paths: StatePaths;
  readonly inputs: InputCache;
  /** What the host keeps between tasks. */
  readonly cache: CacheSpace;
  readonly startTrainer: (leaseId: string, slot: SlotInfo, paths: TaskPaths) => Promise<TrainerProcess>;
  readonly torchThreads: number | null;
  readonly renewToken: (token: string, expiresAtMs: number) => void;
  readonly onStart: (trainer: TrainerProcess) => () => void;
  readonly agentToken: () => string;
  readonly random: () => number;
  readonly servers: ServerCommands;
  /** What a model server's environment is taken from, as a trainer's is. */
  readonly env: NodeJS.ProcessEnv;
}

/** What the work of a lease is given. */
export interface TaskWork {
  readonly lease: Lease;
  readonly slot: SlotInfo;
  readonly paths: TaskPaths;
  readonly control: TaskControl;
  readonly lanes: Lanes;
  readonly deps: TaskDeps;
}
