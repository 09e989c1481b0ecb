/**
 * A model server for tests: a real process that speaks protocol/model-server.ts over real HTTP and generates what the
 * prompt says (scripted-generation.mjs). Ids of deployments tell how they load: with `refused` they are, with `deadly` the
 * process ends, with `labels` there are some. Given an argument before its config, it does as that says: `fail`, `die`.
 */
import { existsSync, readFileSync, readdirSync, writeSync } from "node:fs";
import { createServer } from "node:http";
import { Socket } from "node:net";
import { answerJson, generate, readJson, refuse } from "./scripted-generation.mjs";

const life = new Socket({ fd: Number(process.env.ANNEAL_LIFE_FD), readable: true, writable: false });
life.resume();
life.on("error", () => process.exit(70));
life.on("end", () => process.exit(70));

const config = JSON.parse(readFileSync(process.argv.at(-1), "utf8"));
const tell = (text) => writeSync(1, `${text}\n`);
const report = (line) => writeSync(Number(process.env.ANNEAL_REPORT_FD), `${JSON.stringify(line)}\n`);
const models = new Set();

if (process.argv.includes("fail")) {
  report({ type: "failed", message: "no torch here" });
  process.exit(1);
}
if (process.argv.includes("die")) process.exit(3);

function load(response, { id, form, path }) {
  if (id.includes("refused")) return refuse(response, 400, "its weights are not safetensors");
  if (id.includes("deadly")) process.exit(9);
  if (form !== "base" && !existsSync(path)) return refuse(response, 400, `${path} is not there`);
  const files = path === null ? [] : readdirSync(path).sort();
  if (!models.has(id)) tell(`loaded ${JSON.stringify({ id, form, files })}`);
  models.add(id);
  return answerJson(response, 200, { id, ...(id.includes("labels") && { labels: ["no", "yes"] }) });
}

async function route(request, response) {
  if (request.url === "/health") return answerJson(response, 200, {});
  if (request.headers.authorization !== `Bearer ${process.env.ANNEAL_SERVER_KEY}`) {
    return refuse(response, 401, "the key is missing");
  }
  const body = await readJson(request);
  if (request.url === "/models/load") return load(response, body);
  if (request.url === "/models/unload") {
    models.delete(body.id);
    tell(`unloaded ${body.id}`);
    return answerJson(response, 200, {});
  }
  if (!models.has(body.model)) return refuse(response, 404, `${body.model} is not loaded`);
  const usage = { prompt_tokens: 2, total_tokens: 2 };
  if (request.url === "/v1/classification") {
    const [one] = [{ index: 0, logits: { no: -1.5, yes: 2.25 }, probs: { no: 0.02297736991, yes: 0.97702263009 } }];
    return answerJson(response, 200, { data: [one], usage });
  }
  if (request.url === "/v1/embeddings") {
    const data = [{ object: "embedding", index: 0, embedding: [0.1, 0.2] }];
    return answerJson(response, 200, { object: "list", data, model: body.model, usage });
  }
  return generate(request, response, body, tell);
}

const server = createServer((request, response) => void route(request, response));
process.on("SIGTERM", () => process.exit(0));
server.listen(0, "127.0.0.1", () => {
  tell(`config ${JSON.stringify(config)}`);
  report({ type: "ready", port: server.address().port, versions: { scripted: "1" } });
});
