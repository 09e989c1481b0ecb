/**
 * `subscribers.ts <url> <job> <count>`, the key in ANNEAL_API_KEY: so many readers of one job's stream, in a process of
 * their own. Says `connected` on stdout when all are, and at the end one line: for each item read, how old it was.
 */
import { apiClient } from "../scripts/api";
import { readSse } from "../scripts/sse";

export interface Ages {
  /** Milliseconds from the trainer's write to here, by step, of every subscriber. */
  ages: { step: number; ms: number }[];
}

const [url = "", job = "", count = "1"] = process.argv.slice(2);
const client = apiClient(url, process.env["ANNEAL_API_KEY"] ?? "");
/** For when the job fails. */
const logs: string[] = [];
const result: Ages = { ages: [] };

async function open(): Promise<ReadableStream<Uint8Array>> {
  const response = await client.send("GET", `/anneal/v1/jobs/${job}/stream`);
  if (!response.ok || response.body === null) throw new Error(`${String(response.status)} ${await response.text()}`);
  return response.body as ReadableStream<Uint8Array>;
}

async function read(body: ReadableStream<Uint8Array>): Promise<void> {
  for await (const item of readSse(body)) {
    const nowMs = Date.now();
    if (item.event === "end" && !item.data.includes("completed"))
      throw new Error(`the job ended badly: ${item.data}\n${logs.join("\n")}`);
    if (item.event === "log") logs.push(item.data);
    if (item.event !== "metric") continue;
    const { step, values } = JSON.parse(item.data) as { step: number; values: { emitted_ms?: number } };
    if (values.emitted_ms !== undefined) result.ages.push({ step, ms: nowMs - values.emitted_ms });
  }
}

const bodies = await Promise.all(Array.from({ length: Number(count) }, open));
process.stdout.write("connected\n");
await Promise.all(bodies.map(read));
// A pipe takes megabytes in pieces: whoever exits before it has them all cuts the line off.
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
