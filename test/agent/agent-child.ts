/** The agent as a process of its own with the scripted trainer, for tests that signal or kill it. One JSON argument. */
import { systemClock } from "../../agent/src/clock";
import { startAgent, type AgentOptions } from "../../agent/src/container";
import { describeError, stderrLog } from "../../agent/src/log";
import { endOnSignals } from "../../agent/src/signals";

const given = JSON.parse(process.argv[2] ?? "{}") as Omit<AgentOptions, "clock" | "log" | "random">;
const agent = startAgent({ ...given, clock: systemClock, log: stderrLog(systemClock), random: Math.random });
endOnSignals(agent);
agent.done.then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${describeError(error)}\n`);
    process.exit(1);
  },
);
