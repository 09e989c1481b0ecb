/** A trainer that does its imports before there is a job and waits to be told it: see `anneal_trainer/warm.py`. */
import { writeFileSync } from "node:fs";
import { Duplex } from "node:stream";
import type { WarmHost, WarmOrder } from "../../protocol";
import type { TaskPaths } from "./paths";
import { makeFolders, spawnTrainer, supervise, taskEnv, type SpawnDeps, type TrainerProcess } from "./trainer-process";

/** The first descriptor after those that every trainer has; both ways. */
const ORDER_FD = 5;

export interface WaitingTrainer {
  readonly process: TrainerProcess;
  /** Its imports are done (true), or it ended before (false). */
  readonly ready: Promise<boolean>;
  isAlive(): boolean;
  /**
   * Makes it the trainer of a task. What it still has to import it imports first, in the folders that it has waited in:
   * resolves when it has left them, or has ended.
   */
  handOver(leaseId: string, task: TaskPaths): Promise<void>;
}

/** Starts one in the folders of `paths`. */
export async function startWaitingTrainer(
  id: string,
  paths: TaskPaths,
  host: WarmHost,
  deps: SpawnDeps,
): Promise<WaitingTrainer> {
  const asked = ["--warm", JSON.stringify(host)];
  const spawned = await spawnTrainer(id, paths, asked, { ANNEAL_ORDER_FD: ORDER_FD }, deps);
  const { child, record } = spawned;
  const orders = [...child.stdio][ORDER_FD];
  if (!(orders instanceof Duplex)) throw new Error("the waiting trainer has no pipe for its order");
  orders.on("error", () => undefined); // It has ended, which its exit tells.
  const process = supervise(spawned, deps.clock);
  const said = new Promise<boolean>((resolve) => orders.once("data", () => resolve(true)));
  return {
    process,
    ready: Promise.race([said, process.exited.then(() => false)]),
    isAlive: () => child.exitCode === null && child.signalCode === null,
    handOver: (leaseId, task) => {
      makeFolders(task);
      writeFileSync(task.process, JSON.stringify(record));
      const order: WarmOrder = { config: task.config, cwd: task.output, env: taskEnv(leaseId, task) };
      const left = new Promise<void>((resolve) => orders.once("close", resolve));
      orders.end(`${JSON.stringify(order)}\n`);
      return left;
    },
  };
}
