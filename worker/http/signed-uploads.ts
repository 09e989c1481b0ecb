/**
 * Signed upload URLs: the token says for which session a file is and until when; no key is asked for. PUT takes a file, or
 * a piece of one as the resumable upload protocol of Google's storage has it: 308 with the `Range` that is kept while more
 * is to come, 200 with the object's metadata at the end. A 308 has no `Location`: clients would follow it.
 */
import { z } from "@hono/zod-openapi";
import type { Hono } from "hono";
import { DomainError, invalid } from "../domain/errors";
import type { FinishedUpload } from "../services/session-uploads";
import { prepare } from "./dialect";
import type { EdgeDeps, HttpEnv } from "./http-env";
import { readJson } from "./json-body";

const PATH = "/uploads/:token";
const MAX_FILENAME_CHARS = 200;

/** The object's metadata as such clients send it; of all of it the name counts. */
const metadata = z.looseObject({ name: z.string().min(1).max(MAX_FILENAME_CHARS).optional() }).nullable();

export function registerSignedUploads(root: Hono<HttpEnv>, deps: EdgeDeps): void {
  root.post(PATH, prepare(deps), async (c) => {
    const { raw } = c.req;
    const hasBody = raw.body !== null && raw.headers.get("content-length") !== "0";
    const name = hasBody ? (await readJson(raw, metadata))?.name : undefined;
    await c.var.services.beginSessionUpload(c.req.param("token"), {
      filename: name?.split("/").at(-1) ?? null,
      contentType: raw.headers.get("x-upload-content-type"),
      sizeBytes: sizeIn(raw.headers.get("x-upload-content-length"), "x-upload-content-length"),
    });
    return new Response(null, { headers: { location: c.var.origin + c.req.path } });
  });
  root.put(PATH, prepare(deps), async (c) => {
    const { headers, body } = c.req.raw;
    const answer = await c.var.services.receiveSessionUpload(c.req.param("token"), {
      contentRange: headers.get("content-range"),
      contentLength: sizeIn(headers.get("content-length"), "content-length"),
      contentType: headers.get("content-type"),
      body,
    });
    if ("upload" in answer) return c.json(storedObject(answer));
    const range = answer.offset === 0 ? undefined : { range: `bytes=0-${String(answer.offset - 1)}` };
    return new Response(null, { status: 308, headers: range });
  });
  root.all(PATH, () => {
    throw new DomainError("method_not_allowed", "this path takes PUT and POST", { facts: { allow: "PUT, POST" } });
  });
}

/** As such a storage describes an object, and what has become of it here. */
function storedObject({ upload, md5, dataset, problem }: FinishedUpload) {
  return {
    kind: "storage#object",
    name: upload.filename,
    contentType: upload.contentType,
    size: String(upload.sizeBytes),
    md5Hash: md5,
    sha256: upload.sha256,
    timeCreated: new Date(upload.createdAtMs).toISOString(),
    dataset: dataset && { name: dataset.name, rows: dataset.numRows, format: dataset.format },
    problem,
  };
}

function sizeIn(header: string | null, name: string): number | null {
  if (header === null) return null;
  if (/^\d{1,15}$/.test(header)) return Number(header);
  throw invalid(name, "must be a number of bytes");
}
