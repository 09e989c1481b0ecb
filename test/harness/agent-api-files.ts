/** The bytes' side of the agent API server: signed downloads with Range, part uploads checked by their MD5. */
import { createHash, randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { BeginCheckpointRequest, BeginCheckpointResponse, Download } from "../../protocol";

interface StoredPart {
  readonly bytes: Buffer;
  readonly md5: string;
  readonly etag: string;
}

export class AgentApiFiles {
  /** Part size; small here, so that a small file has several. */
  partBytes = 64 * 1024;
  /** Downloads break off after so many bytes, so many times. */
  breakDownloads = { times: 0, afterBytes: 0 };
  /** Uploads of these part numbers fail so many times: the connection is cut in the middle. */
  breakParts = new Map<number, number>();
  readonly ranges: (string | undefined)[] = [];
  readonly refusedParts: string[] = [];
  private readonly downloads = new Map<string, Buffer>();
  private readonly uploads = new Map<string, Map<number, StoredPart>>();

  /** Offers bytes for download; what is promised of them can be made wrong. */
  offer(bytes: Buffer, promised: Partial<Download> = {}): Download {
    const key = randomBytes(8).toString("hex");
    this.downloads.set(key, bytes);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    return { url: `/files/${key}?sig=ok`, size: bytes.length, sha256, ...promised };
  }

  begin(files: BeginCheckpointRequest["files"]): BeginCheckpointResponse["files"] {
    return files.map(({ role, path, size }) => {
      const upload = randomBytes(8).toString("hex");
      this.uploads.set(upload, new Map());
      const count = Math.max(1, Math.ceil(size / this.partBytes));
      const parts = Array.from({ length: count }, (_, index) => ({
        number: index + 1,
        size: Math.min(this.partBytes, size - index * this.partBytes),
        url: `/parts/${upload}/${index + 1}?sig=ok`,
        headers: { "x-part-ticket": `${upload}.${index + 1}` },
      }));
      return { role, path, upload, parts };
    });
  }

  parts(upload: string): ReadonlyMap<number, StoredPart> {
    return this.uploads.get(upload) ?? new Map();
  }

  get(key: string, request: IncomingMessage, response: ServerResponse): void {
    const bytes = this.downloads.get(key);
    const { range, authorization } = request.headers;
    this.ranges.push(range);
    if (!bytes || authorization !== undefined) {
      response.writeHead(bytes ? 400 : 404).end();
      return;
    }
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? "bytes=0-")?.[1] ?? NaN);
    if (!(from <= bytes.length)) {
      response.writeHead(416).end();
      return;
    }
    const headers = { "content-length": bytes.length - from, "accept-ranges": "bytes" };
    if (range === undefined) response.writeHead(200, headers);
    else response.writeHead(206, { ...headers, "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` });
    if (this.breakDownloads.times > 0) {
      this.breakDownloads.times -= 1;
      response.write(bytes.subarray(from, from + this.breakDownloads.afterBytes), () => response.destroy());
      return;
    }
    response.end(bytes.subarray(from));
  }

  async put(upload: string, number: number, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const stored = this.uploads.get(upload);
    const broken = this.breakParts.get(number) ?? 0;
    if (broken > 0) {
      this.breakParts.set(number, broken - 1);
      request.once("data", () => request.socket.destroy());
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const bytes = Buffer.concat(chunks);
    const md5 = createHash("md5").update(bytes);
    const digest = md5.digest();
    const isAsked = request.headers["content-md5"] === digest.toString("base64");
    const hasTicket = request.headers["x-part-ticket"] === `${upload}.${number}`;
    if (!stored || !isAsked || !hasTicket || request.headers.authorization !== undefined) {
      this.refusedParts.push(`${upload}/${number}`);
      response.writeHead(400).end();
      return;
    }
    const etag = randomBytes(4).toString("hex");
    stored.set(number, { bytes, md5: digest.toString("hex"), etag });
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ etag }));
  }
}
