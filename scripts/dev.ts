/**
 * `npm run dev [-- --no-agent]`: the control plane on ANNEAL_PORT with its state in ANNEAL_STATE_DIR, one local agent,
 * and credentials.json. Prints `ready <url>` when all of it is there. SIGTERM or Ctrl-C stops it and all its children.
 */
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { startControlPlane } from "./control-plane";
import { writeCredentials, type Credentials } from "./credentials";
import { port, stateDir } from "./env";
import { startLocalAgent, waitForAgent } from "./local-agent";
import { stopAll, stopOnSignals } from "./processes";
import { preparePython } from "./python-env";

/** Between an agent's unexpected end and the next one. */
const AGENT_RESTART_MS = 5_000;

const { values } = parseArgs({ options: { "no-agent": { type: "boolean", default: false } } });
const dir = stateDir();
const agentLog = path.join(dir, "agent.log");
let stopping = false;

stopOnSignals(async () => {
  stopping = true;
  console.error("stopping");
  await stopAll();
}, 0);

/** An agent that ends by itself is started again, so that the deployment goes on taking jobs. */
async function keepAgent(made: Credentials): Promise<void> {
  for (let isFirst = true; !stopping; isFirst = false) {
    const options = { url: made.url, token: made.agent_bootstrap_token, stateDir: path.join(dir, "agent") };
    const agent = startLocalAgent({ ...options, logFile: agentLog });
    if (isFirst) await waitForAgent(agent, made.url, made.api_key);
    if (isFirst) console.log(`ready ${made.url}`);
    const code = await agent.exited;
    if (stopping) return;
    console.error(`the agent ended with ${String(code)}, see ${agentLog}; starting another`);
    await sleep(AGENT_RESTART_MS);
  }
}

async function main(): Promise<number> {
  if (!values["no-agent"]) await preparePython();
  const plane = await startControlPlane({ stateDir: dir, port: port() });
  const made = await writeCredentials(dir, plane);
  console.error(`state and credentials in ${dir}`);
  const agent = values["no-agent"] ? undefined : keepAgent(made);
  if (values["no-agent"]) console.log(`ready ${made.url}`);
  const failedAgent = new Promise<never>((_, reject) => agent?.catch(reject));
  const code = await Promise.race([plane.process.exited, failedAgent]);
  if (!stopping)
    console.error(`the control plane ended with ${String(code)}, see ${path.join(dir, "control-plane.log")}`);
  return 1;
}

main()
  .catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  })
  .then(async (code) => {
    if (stopping) return;
    stopping = true;
    await stopAll();
    process.exit(code);
  })
  .catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
