/** A finished job's model: fetched as anyone would, checked against the committed hash, unpacked, loaded, asked. */
import { createHash } from "node:crypto";
import { createWriteStream, mkdirSync } from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import type { ApiClient } from "../api";
import { root } from "../env";
import { run } from "../processes";
import { exampleDir } from "./example";

const modelAnswer = z.object({ download_url: z.string() });
const nativeJob = z.object({ checkpoint_sha256: z.string().nullable() });

export interface FetchedModel {
  dir: string;
  /** Of the bytes that came. */
  sha256: string;
  /** What the agent committed. */
  committedSha256: string | null;
}

export async function fetchModel(client: ApiClient, jobId: string, workDir: string): Promise<FetchedModel> {
  const { download_url: url } = await client.get(`/v1/training_jobs/${jobId}/model`, modelAnswer);
  const { checkpoint_sha256: committedSha256 } = await client.get(`/anneal/v1/jobs/${jobId}`, nativeJob);
  const dir = path.join(workDir, jobId);
  const archive = path.join(workDir, `${jobId}.tar.gz`);
  mkdirSync(dir, { recursive: true });
  const sha256 = await download(url, archive);
  const tar = await run("tar", ["-xzf", archive, "-C", dir]);
  if (tar.code !== 0) throw new Error(`the model's archive does not unpack: ${tar.stderr}`);
  return { dir, sha256, committedSha256 };
}

/** Gives the SHA-256 of what was written. */
export async function download(url: string, file: string): Promise<string> {
  const response = await fetch(url);
  if (!response.ok || response.body === null) throw new Error(`the download answered ${String(response.status)}`);
  const hash = createHash("sha256");
  async function* hashed(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      hash.update(chunk);
      yield chunk;
    }
  }
  await pipeline(hashed(response.body), createWriteStream(file));
  return hash.digest("hex");
}

const sampled = z.object({
  exact_match: z.number(),
  completions: z.array(
    z.object({ prompt: z.string(), completion: z.string(), answer: z.string(), right: z.boolean() }),
  ),
});
export type Sampled = z.infer<typeof sampled>;

/** Completions of the held-out prompts by transformers' AutoModelForCausalLM, in a process of its own. */
export async function sample(python: string, modelDir: string): Promise<Sampled> {
  const args = [path.join(exampleDir, "sample.py"), modelDir, path.join(exampleDir, "heldout.jsonl")];
  const outcome = await run(python, args, { env: { PYTHONPATH: "" } });
  if (outcome.code !== 0) throw new Error(`the model in ${modelDir} does not load and generate:\n${outcome.stderr}`);
  return sampled.parse(JSON.parse(outcome.stdout.trim().split("\n").at(-1) ?? ""));
}

/** The same of the base model before any training, made by the trainer's own code. */
export async function sampleUntrained(python: string, workDir: string): Promise<Sampled> {
  const dir = path.join(workDir, "untrained");
  const make = "import sys; from anneal_trainer.tiny_models import make_tiny_llama; make_tiny_llama(sys.argv[1])";
  const made = await run(python, ["-c", make, dir], { env: { PYTHONPATH: path.join(root, "agent", "trainer") } });
  if (made.code !== 0) throw new Error(`the base model cannot be made:\n${made.stderr}`);
  return sample(python, dir);
}
