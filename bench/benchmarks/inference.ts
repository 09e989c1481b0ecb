/**
 * What the relay costs: chat through the API (worker, engine's object, agent's socket, local model server) beside the same
 * requests to the same model server alone, one that only keeps time. Interleaved, so that both have the same machine.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { preparePython } from "../../scripts/python-env";
import {
  askPaced,
  pacedText,
  type ChatTarget,
  type PacedAnswer,
  type PacedScript,
} from "../../test/harness/paced-chat";
import { startAgent } from "../agent";
import type { Benchmark, Options } from "../benchmark";
import { PACED_SERVER_DIR, startPacedServer } from "../paced-server";
import { withPlane, type Plane } from "../plane";
import { atLeast, atMost, must, told, type Result } from "../result";
import { median, percentile, spread } from "../stats";

const FIRST_TOKEN_MS = 20;
const THROUGHPUT = 0.95;
const STREAMS = 64;
const TOKENS_PER_SECOND = 30;
/** Of a request whose first token is waited for. */
const SHORT = { tokens: 4, perSecond: 0 };
const WARM_UP = 10;
const READY_TIMEOUT_MS = 120_000;

export const inference: Benchmark = {
  name: "inference",
  what: "first token, 64 streams and their throughput through the API, beside the model server alone",
  async run(options) {
    const python = await preparePython();
    const direct = await startPacedServer(python, options.workDir);
    try {
      return await withPlane(options, {}, async (plane) => {
        const env = { ANNEAL_PYTHON: python, ANNEAL_WARM_TRAINER: "0", ANNEAL_SERVER_DIR: PACED_SERVER_DIR };
        await startAgent(plane, { name: "serving", env });
        const api = await deploy(plane);
        return [
          await firstToken(api, direct, options),
          ...(await throughput(api, direct, options)),
          ...(await unpaced(api, direct, options)),
        ];
      });
    } finally {
      direct.stop();
    }
  },
};

const created = z.object({ id: z.string() });

/** A deployment of a base model, which the paced server takes as it takes any; ready when it is given. */
async function deploy({ url, apiKey, client }: Plane): Promise<ChatTarget> {
  const { id: project } = await client.post("/v1/projects", { name: "inference" }, created);
  const body = { training_job_id: "anneal/tiny-llama", checkpoint: 0, name: "paced" };
  await client.post(`/v1/projects/${project}/deployments`, body, z.object({}));
  const target = { url, key: apiKey, model: "paced" };
  for (const deadlineMs = Date.now() + READY_TIMEOUT_MS; ; await sleep(500)) {
    const answer = await askPaced(target, { tag: "ready", ...SHORT }, { stream: true });
    if (answer.isWhole) return target;
    if (Date.now() > deadlineMs) throw new Error(`the deployment does not answer: ${JSON.stringify(answer)}`);
  }
}

/** One request after the other, in turns. */
async function firstToken(api: ChatTarget, direct: ChatTarget, { quick }: Options): Promise<Result> {
  const times = { api: [] as number[], direct: [] as number[] };
  const count = WARM_UP + (quick ? 20 : 200);
  for (let n = 0; n < count; n += 1) {
    for (const [name, target] of [["direct", direct] as const, ["api", api] as const]) {
      const answer = await askPaced(target, { tag: `first-${String(n)}`, ...SHORT }, { stream: true });
      if (answer.firstTokenMs === null) throw new Error(`no token came: ${JSON.stringify(answer)}`);
      if (n >= WARM_UP) times[name].push(answer.firstTokenMs);
    }
  }
  const added = percentile(times.api, 0.5) - percentile(times.direct, 0.5);
  const detail = `through the API ${spread(times.api)} ms, direct ${spread(times.direct)} ms; interleaved, one at a time`;
  return atMost("inference/first-token-p50", added, "ms", FIRST_TOKEN_MS, detail);
}

interface Together {
  answers: { script: PacedScript; answer: PacedAnswer }[];
  tokensPerSecond: number;
}

/** All at once; over when the last one is. */
async function together(target: ChatTarget, name: string, tokens: number, perSecond: number): Promise<Together> {
  const startedAtMs = performance.now();
  const answers = await Promise.all(
    Array.from({ length: STREAMS }, async (_, n) => {
      const script = { tag: `${name}-${String(n)}`, tokens, perSecond };
      return { script, answer: await askPaced(target, script, { stream: true }) };
    }),
  );
  return { answers, tokensPerSecond: (STREAMS * tokens * 1000) / (performance.now() - startedAtMs) };
}

/** How many streams did not have exactly their own tokens. */
function spoilt(all: Together[]): number {
  const answers = all.flatMap((one) => one.answers);
  return answers.filter(({ script, answer }) => !answer.isWhole || answer.text !== pacedText(script)).length;
}

async function throughput(api: ChatTarget, direct: ChatTarget, { quick }: Options): Promise<Result[]> {
  const tokens = quick ? 60 : 450;
  const rounds = { api: [] as Together[], direct: [] as Together[] };
  for (let round = 0; round < (quick ? 1 : 3); round += 1) {
    rounds.direct.push(await together(direct, `direct${String(round)}`, tokens, TOKENS_PER_SECOND));
    rounds.api.push(await together(api, `api${String(round)}`, tokens, TOKENS_PER_SECOND));
  }
  const rate = (of: Together[]): number => median(of.map(({ tokensPerSecond }) => tokensPerSecond));
  const first = rounds.api.flatMap(({ answers }) => answers.map(({ answer }) => answer.firstTokenMs ?? Infinity));
  const detail =
    `${String(STREAMS)} streams of ${String(tokens)} tokens at ${String(TOKENS_PER_SECOND)} tokens/s each; through the API ` +
    `${rate(rounds.api).toFixed(0)} tokens/s, direct ${rate(rounds.direct).toFixed(0)}, medians of ` +
    `${String(rounds.api.length)} interleaved rounds; first token, all at once, ${spread(first)} ms`;
  const count = STREAMS * rounds.api.length;
  const wrong = spoilt(rounds.api);
  return [
    atLeast("inference/throughput", rate(rounds.api) / rate(rounds.direct), "×", THROUGHPUT, detail),
    must(
      "inference/streams",
      "every stream has its own tokens, all of them, once, in order",
      wrong === 0,
      `${String(count)} streams of ${String(tokens)} tokens, ${String(STREAMS)} at a time; ${String(wrong)} are not whole`,
    ),
  ];
}

/** As fast as it goes: what the relay can carry, with credit as the only brake. */
async function unpaced(api: ChatTarget, direct: ChatTarget, { quick }: Options): Promise<Result[]> {
  const tokens = quick ? 50 : 1_000;
  const bare = await together(direct, "bare", tokens, 0);
  const relayed = await together(api, "fast", tokens, 0);
  const wrong = spoilt([relayed]);
  const detail = `${String(STREAMS)} streams of ${String(tokens)} tokens; direct ${bare.tokensPerSecond.toFixed(0)} tokens/s`;
  return [
    told("inference/unpaced", relayed.tokensPerSecond, "tokens/s", detail),
    must(
      "inference/unpaced-streams",
      "no token lost, none of another stream",
      wrong === 0,
      `${String(wrong)} are not whole`,
    ),
  ];
}
