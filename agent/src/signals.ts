/** SIGTERM and SIGINT: the first saves and gives back what runs, the second ends everything at once. */
import type { RunningAgent } from "./container";

export function endOnSignals(agent: Pick<RunningAgent, "drain" | "kill">): void {
  let signals = 0;
  const onSignal = (): void => {
    signals += 1;
    if (signals === 1) {
      agent.drain();
      return;
    }
    agent.kill();
    process.exit(1);
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
}
