/** Many bytes up and down a URL: made of one random MiB again and again, never held in memory. */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { z } from "zod";

export const MIB = 2 ** 20;
const block = randomBytes(MIB);

/** Sends `size` bytes with their length known; gives the answer's text. */
export async function send(
  method: string,
  url: string,
  size: number,
  headers: Record<string, string> = {},
): Promise<string> {
  const sending = request(url, { method, headers: { ...headers, "content-length": String(size) } });
  const answered = once(sending, "response");
  for (let left = size; left > 0; left -= MIB) {
    if (!sending.write(left >= MIB ? block : block.subarray(0, left)))
      await Promise.race([once(sending, "drain"), answered]);
  }
  sending.end();
  const [response] = (await answered) as [IncomingMessage];
  const text = (await response.setEncoding("utf8").toArray()).join("");
  if (response.statusCode !== 200)
    throw new Error(`${method} ${url}: ${String(response.statusCode)} ${text.slice(0, 300)}`);
  return text;
}

/** Reads all of it and keeps nothing; throws when it is not `size` bytes. */
export async function receive(url: string, size: number): Promise<void> {
  // Compressing on the way would be most of the time, and is done for some content types only.
  const response = await fetch(url, { headers: { "accept-encoding": "identity" } });
  let read = 0;
  if (response.body) for await (const chunk of response.body) read += chunk.byteLength;
  if (!response.ok || read !== size) throw new Error(`GET ${url}: ${String(response.status)}, ${String(read)} bytes`);
}

/** Of the first `size` bytes that `send` sends. */
export function digest(algorithm: "md5" | "sha256", size: number): Buffer {
  const hash = createHash(algorithm);
  for (let left = size; left > 0; left -= MIB) hash.update(left >= MIB ? block : block.subarray(0, left));
  return hash.digest();
}

const objects = z.array(z.object({ key: z.string(), size: z.number() }));

/** Where the bare route serves the one object below `prefix` that has this size. */
export async function bareUrlOf(url: string, prefix: string, size: number): Promise<string> {
  const response = await fetch(`${url}/bare/stored?prefix=${encodeURIComponent(prefix)}`);
  const [found, ...others] = objects.parse(await response.json()).filter((one) => one.size === size);
  if (!found || others.length > 0) throw new Error(`not one object of ${String(size)} bytes below ${prefix}`);
  return `${url}/bare/stored/${found.key}`;
}
