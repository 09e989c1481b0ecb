/** The agent's command: arguments, signals, exit code. Tokens are best given by environment: arguments are seen by all. */
import { readFileSync } from "node:fs";
import { homedir, hostname } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { systemClock } from "./clock";
import { startAgent, type AgentOptions } from "./container";
import { describeError, stderrLog } from "./log";
import { endOnSignals } from "./signals";

const USAGE = `anneal-agent --url URL --token TOKEN [--state-dir DIR] [--name NAME] [--once]
  --url URL        the deployment, such as https://anneal.example.com
  --token TOKEN    a bootstrap token; or ANNEAL_BOOTSTRAP_TOKEN in the environment
  --state-dir DIR  where identity and running tasks are kept (default ~/.anneal-agent)
  --name NAME      how the agent is shown (default: this machine's name)
  --once           exit after one task: 0 when it completed, 1 otherwise
  --version        print the version
`;

const repository = resolve(fileURLToPath(import.meta.url), "../../..");

interface Arguments {
  readonly url: string;
  readonly token: string;
  readonly stateDir: string;
  readonly name: string;
  readonly once: boolean;
}

function version(): string {
  const text = readFileSync(join(repository, "package.json"), "utf8");
  const { version: number } = JSON.parse(text) as { version: string };
  return number;
}

/** null: the command has said all there is to say. */
function readArguments(): Arguments | null {
  const { values } = parseArgs({
    options: {
      url: { type: "string" },
      token: { type: "string", default: process.env["ANNEAL_BOOTSTRAP_TOKEN"] },
      "state-dir": { type: "string", default: join(homedir(), ".anneal-agent") },
      name: { type: "string", default: hostname() },
      once: { type: "boolean", default: false },
      version: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help || values.version) {
    process.stdout.write(values.help ? USAGE : `${version()}\n`);
    return null;
  }
  const { url, token, name, once } = values;
  if (!url || !token) throw new Error(`--url and --token are needed\n${USAGE}`);
  if (!/^https?:\/\//.test(url)) throw new Error(`--url ${url} is not an http or https address`);
  return { url, token, stateDir: resolve(values["state-dir"]), name, once };
}

/** Held to be a count of threads; nothing else is believed. */
function torchThreads(): number | null {
  const threads = Number(process.env["ANNEAL_TORCH_THREADS"]);
  return Number.isInteger(threads) && threads > 0 ? threads : null;
}

/** null leaves the bound to the disk's size. */
function cacheBytes(): number | null {
  const text = process.env["ANNEAL_CACHE_BYTES"] ?? "";
  if (text !== "" && !/^\d{1,15}$/.test(text)) throw new Error(`ANNEAL_CACHE_BYTES ${text} is not a number of bytes`);
  return text === "" ? null : Number(text);
}

function toOptions({ url, token, stateDir, name, once }: Arguments): AgentOptions {
  const command = process.env["ANNEAL_PYTHON"] ?? "python3";
  const pythonPath = process.env["ANNEAL_TRAINER_DIR"] ?? join(repository, "agent/trainer");
  const serverPath = process.env["ANNEAL_SERVER_DIR"] ?? pythonPath;
  return {
    url,
    bootstrapToken: token,
    stateDir,
    name,
    once,
    version: version(),
    command: { command, args: ["-m", "anneal_trainer"], pythonPath },
    servers: {
      small: { command, args: ["-m", "anneal_server"], pythonPath: serverPath },
      vllm: process.env["ANNEAL_VLLM"] || null,
    },
    canary: { command, args: ["-m", "anneal_trainer.canary"], pythonPath },
    env: process.env,
    torchThreads: torchThreads(),
    cacheBytes: cacheBytes(),
    warmTrainer: process.env["ANNEAL_WARM_TRAINER"] !== "0",
    clock: systemClock,
    log: stderrLog(systemClock),
    random: Math.random,
  };
}

async function main(): Promise<number> {
  const given = readArguments();
  if (!given) return 0;
  const agent = startAgent(toOptions(given));
  endOnSignals(agent);
  return agent.done;
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`anneal-agent: ${describeError(error)}\n`);
    process.exit(1);
  },
);
