/** A process that serves models: spawned as a trainer is (trainer-process.ts), its output going into the task's log. */
import type { Clock } from "../clock";
import { describeError, type Log } from "../log";
import type { LogPump } from "../log-pump";
import type { TaskPaths } from "../paths";
import { spawnTrainer, supervise, type TrainerExit, type TrainerProcess } from "../trainer-process";
import type { TrainerCommand } from "../trainer-env";

export interface ServerHost {
  readonly leaseId: string;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly log: Log;
  readonly pump: LogPump;
  /** Called with each process while it runs, so that the agent's last resort can end it. */
  readonly onStart: (process: TrainerProcess) => () => void;
}

export async function startServerProcess(
  command: TrainerCommand,
  asked: readonly string[],
  paths: TaskPaths,
  ownEnv: Record<string, string>,
  host: ServerHost,
): Promise<TrainerProcess> {
  const { env, clock, log, pump, onStart, leaseId } = host;
  const server = supervise(await spawnTrainer(leaseId, paths, asked, {}, { command, env, clock, ownEnv }), clock);
  const ended = onStart(server);
  const read = [pump.run(server.stdout, "stdout"), pump.run(server.stderr, "stderr")].map((reading) =>
    reading.catch((error: unknown) => log.warn(`${leaseId}: a log of the model server broke: ${describeError(error)}`)),
  );
  const exited = server.exited.then(async (exit) => {
    ended();
    await Promise.all(read);
    return exit;
  });
  return { ...server, exited };
}

export function describeExit({ code, signal }: TrainerExit): string {
  return signal ? `the model server was killed by ${signal}` : `the model server exited with code ${code}`;
}
