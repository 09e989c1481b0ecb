/** Bytes of a file sent by curl, a process of its own: what it has sent when it is killed is as much as a line that broke. */
import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";

export interface Piece {
  from: number;
  /** The first byte that is not sent. */
  to: number;
  total: number;
  /** curl is killed once it has been given this many bytes of the piece. */
  killAfterBytes?: number;
  /** As `--limit-rate` wants it. */
  rate?: string;
  /** Told after each block that curl has been given. */
  onGiven?: (bytes: number) => void;
}

export interface Sent {
  /** null when curl was killed. */
  status: number | null;
  body: string;
  /** What curl was given of the piece; a little of it may not have left the machine. */
  givenBytes: number;
}

export async function sendByCurl(url: string, apiKey: string, file: string, piece: Piece): Promise<Sent> {
  const { from, to, total, killAfterBytes = Infinity } = piece;
  const range = `Content-Range: bytes ${String(from)}-${String(to - 1)}/${String(total)}`;
  const headers = [range, `Authorization: Bearer ${apiKey}`, "Expect:"].flatMap((header) => ["-H", header]);
  const limit = piece.rate === undefined ? [] : ["--limit-rate", piece.rate];
  const child = spawn("curl", ["-sS", "-T", "-", ...headers, ...limit, "-w", "\n%{http_code}", url], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const closed = new Promise<number | null>((resolve, reject) => child.on("close", resolve).on("error", reject));
  let givenBytes = 0;
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      givenBytes += chunk.length;
      piece.onGiven?.(givenBytes);
      if (givenBytes >= killAfterBytes) child.kill("SIGKILL");
      done(null, chunk);
    },
  });
  const feeding = pipeline(createReadStream(file, { start: from, end: to - 1 }), counter, child.stdin).catch(
    (error: unknown) => {
      // curl ends before its input does when it is killed or refused.
      if (!["EPIPE", "ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE"].includes(codeOf(error))) throw error;
    },
  );
  const text = (await child.stdout.setEncoding("utf8").toArray()).join("");
  const [code] = await Promise.all([closed, feeding]);
  const cut = text.lastIndexOf("\n");
  return { status: code === null ? null : Number(text.slice(cut + 1)), body: text.slice(0, cut), givenBytes };
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code);
}
