/** What belongs to no dialect, through the worker's real entry. */
import { describe, expect, it } from "vitest";
import { DIALECTS } from "../../worker/app";
import { ask } from "../harness/worker-client";

describe("the root", () => {
  it("answers without a key only what is public", async () => {
    expect((await ask("/healthcheck")).body).toEqual({ status: "none", message: "ok", import_status: "none" });
    for (const path of [
      "/docs",
      "/docs/veri",
      "/docs/anneal",
      "/openapi.json",
      "/openapi/veri.json",
      "/openapi/emissary.json",
    ]) {
      expect((await ask(path)).status).toBe(200);
    }
  });

  it.each(["/nowhere", "/v1/nowhere", "/v1/training_jobs/job_1/nothing", "/anneal/v1/nowhere", "/openapi/none.json"])(
    "answers %s in the native shape",
    async (path) => {
      const answer = await ask<{ error: { code: string } }>(path);
      expect(answer.status).toBe(404);
      expect(Object.keys(answer.body)).toEqual(["error"]);
      expect(Object.keys(answer.body.error)).toEqual(["code", "message", "request_id"]);
    },
  );

  it("refuses a URL that it has not signed", async () => {
    expect((await ask("/blobs/eyJrZXkiOiJ4In0.AAAA/x")).status).toBe(401);
    expect((await ask("/blobs/x")).status).toBe(401);
  });

  it("serves a document of each API, whose references all lead somewhere", async () => {
    const { documents } = (await ask<{ documents: { name: string; url: string }[] }>("/openapi.json")).body;
    expect(documents.map(({ name }) => name)).toEqual(DIALECTS.map(({ name }) => name));
    for (const [index, { url }] of documents.entries()) {
      const { body } = await ask<{ components: { schemas: Record<string, unknown> } }>(url);
      const names = [...JSON.stringify(body).matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map((match) => match[1]);
      for (const name of names) expect(Object.keys(body.components.schemas)).toContain(name);
      expect(names.length > 0).toBe((DIALECTS[index]?.routes ?? []).length > 0);
    }
  });
});
