/** A file sent by Google's own Python library to a session's resumable upload URL, over a line that breaks. */
import { createHash } from "node:crypto";
import path from "node:path";
import { z } from "zod";
import { root } from "../../scripts/env";
import { run } from "../../scripts/processes";
import { pip, venv } from "../../scripts/python-env";
import { cuttingProxy } from "./cutting-proxy";
import type { TestAccount } from "./plane";

const requirements = path.join(root, "test", "e2e", "google-upload-requirements.txt");
const script = path.join(root, "test", "e2e", "google-upload.py");

const made = z.object({ id: z.string() });
const link = z.object({ url: z.string() });
const outcome = z.object({
  /** The bytes at which the library went on, by the storage's word. */
  recovered: z.array(z.number()),
  answer: z.object({
    size: z.string(),
    sha256: z.string(),
    dataset: z.object({ name: z.string(), rows: z.number(), format: z.string() }).nullable(),
    problem: z.string().nullable(),
  }),
});

export interface GoogleUpload extends z.infer<typeof outcome> {
  session: string;
  cuts: number;
  seconds: number;
  /** Of what the session's data URL gives afterwards. */
  sha256: string;
}

/** A folder of its own: the library's packages stay away from the trainer's. Rejects where they cannot be had. */
export function googlePython(): Promise<string> {
  return venv("google-upload", [requirements], (python, report) => pip(python, ["-r", requirements], report));
}

/** Into a new session. The line is cut when so many bytes have gone up in all. */
export async function uploadByGoogle(
  { client }: Pick<TestAccount, "client">,
  python: string,
  file: string,
  options: { cutAfterBytes: number[]; args: string[] },
): Promise<GoogleUpload> {
  const env = await client.post("/api/v1/environments", { name: "uploads", provider: "test" }, made);
  const wanted = { name: "sent by Google", env: env.id, model: "anneal/tiny-llama" };
  const session = `/api/v1/training/${(await client.post("/api/v1/training", wanted, made)).id}`;
  const { url } = await client.get(`${session}/upload-url?resumable=true`, link);
  const proxy = await cuttingProxy(client.url, options.cutAfterBytes);
  const beganAtMs = performance.now();
  try {
    const sent = await run(python, [script, url.replace(client.url, proxy.url), file, ...options.args]);
    if (sent.code !== 0) throw new Error(`google-resumable-media could not send ${file}:\n${sent.stderr}`);
    const seconds = (performance.now() - beganAtMs) / 1000;
    const told = outcome.parse(JSON.parse(sent.stdout.trim().split("\n").at(-1) ?? ""));
    const data = await client.get(`${session}/url`, link);
    return { ...told, session, cuts: proxy.cuts, seconds, sha256: await sha256Of(data.url) };
  } finally {
    await proxy.close();
  }
}

async function sha256Of(url: string): Promise<string> {
  const response = await fetch(url);
  if (!response.ok || response.body === null) throw new Error(`the data URL answered ${String(response.status)}`);
  const hash = createHash("sha256");
  for await (const chunk of response.body) hash.update(chunk);
  return hash.digest("hex");
}
