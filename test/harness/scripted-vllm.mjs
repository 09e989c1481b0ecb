#!/usr/bin/env node
/**
 * As vLLM's command, `serve <model> --served-model-name <name> --port <port> …`: health, the adapters' commands and what the
 * prompt says (scripted-generation.mjs). It prints its arguments and what it is told.
 */
import { existsSync, writeSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { answerJson, generate, readJson, refuse } from "./scripted-generation.mjs";

const [command, model, ...rest] = process.argv.slice(2);
const option = (name) => rest[rest.indexOf(name) + 1];
const tell = (text) => writeSync(1, `${text}\n`);
if (command !== "serve") throw new Error(`no such command ${command}`);
tell(`vllm ${JSON.stringify({ model, rest: rest.filter((one) => one !== option("--port")), pid: process.pid })}`);
tell(`devices ${process.env.CUDA_VISIBLE_DEVICES}`);
const names = new Set([option("--served-model-name")]);

async function route(request, response) {
  if (request.url === "/health") return response.writeHead(200).end();
  if (request.headers.authorization !== `Bearer ${process.env.VLLM_API_KEY}`) return refuse(response, 401, "no key");
  const body = await readJson(request);
  if (request.url === "/v1/load_lora_adapter" || request.url === "/v1/unload_lora_adapter") {
    if (!rest.includes("--enable-lora") || !process.env.VLLM_ALLOW_RUNTIME_LORA_UPDATING) {
      return refuse(response, 404, "Not Found");
    }
    const isLoad = request.url === "/v1/load_lora_adapter";
    if (isLoad && !existsSync(join(body.lora_path, "adapter_config.json"))) return refuse(response, 400, "no adapter");
    if (isLoad) names.add(body.lora_name);
    else names.delete(body.lora_name);
    return response.writeHead(200).end("Success");
  }
  if (!names.has(body.model)) return refuse(response, 404, `The model ${body.model} does not exist.`);
  return generate(request, response, body, tell);
}

const server = createServer((request, response) => {
  route(request, response).catch((error) => answerJson(response, 500, { error: { message: String(error) } }));
});
server.listen(Number(option("--port")), "127.0.0.1");
