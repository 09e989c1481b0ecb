import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DomainError } from "../../worker/domain/errors";
import { withFilesForm, withUploadForm, wholeFile, type FormFile } from "../../worker/http/multipart";

const BOUNDARY = "--b-";
const encoder = new TextEncoder();

function field(name: string, value: string): string {
  return `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
}

function file(name: string, content: string): string {
  return (
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"; filename="a.jsonl"\r\n` +
    `Content-Type: application/jsonl\r\n\r\n${content}\r\n`
  );
}

const END = `--${BOUNDARY}--\r\n`;

/** Pulled chunk by chunk, so that a reader's appetite can be counted. */
function request(
  chunks: Uint8Array[],
  headers: Record<string, string> = {},
): { request: Request; pulled: () => number } {
  let next = 0;
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const chunk = chunks[next];
        next += 1;
        if (chunk) controller.enqueue(chunk);
        else controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  const request = new Request("https://kit.test/", {
    method: "POST",
    body,
    headers: { "content-type": `multipart/form-data; boundary=${BOUNDARY}`, ...headers },
  });
  return { request, pulled: () => next };
}

const LIMITS = { fields: ["name", "format"], fileField: "file", maxBytes: 1024 * 1024 };

async function read(text: string | Uint8Array[], limits = LIMITS) {
  const chunks = typeof text === "string" ? [encoder.encode(text)] : text;
  return withUploadForm(request(chunks).request, limits, async (form) => {
    const before = form.optional("name");
    const content = new TextDecoder().decode(await wholeFile(form, limits.maxBytes));
    return { before, name: form.required("name"), format: form.optional("format"), content };
  });
}

async function refusal(work: Promise<unknown>): Promise<DomainError> {
  const error: unknown = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof DomainError)) throw new Error(`not refused: ${String(error)}`);
  return error;
}

describe("an upload form", () => {
  it("has its fields before the file", async () => {
    const form = await read(field("name", "a") + field("format", "miles") + file("file", "hello") + END);
    expect(form).toEqual({ before: "a", name: "a", format: "miles", content: "hello" });
  });

  it("has fields after the file once that is read", async () => {
    const form = await read([encoder.encode(file("file", "hello")), encoder.encode(field("name", "ä") + END)]);
    expect(form).toEqual({ before: undefined, name: "ä", format: undefined, content: "hello" });
  });

  it("takes an empty file and a file part without a file name", async () => {
    expect((await read(field("name", "a") + file("file", "") + END)).content).toBe("");
    expect((await read(field("name", "a") + field("file", "inline") + END)).content).toBe("inline");
  });

  it.each(["données.jsonl", "訓練データ.jsonl", "обучение 😀.jsonl"])("takes a file called %s", async (fileName) => {
    const body = field("name", "n") + file("file", "x".repeat(20_000)).replace("a.jsonl", fileName) + END;
    const got = await withUploadForm(request([encoder.encode(body)]).request, LIMITS, async (form) => {
      return { fileName: form.fileName, size: (await wholeFile(form, LIMITS.maxBytes)).byteLength };
    });
    expect(got).toEqual({ fileName, size: 20_000 });
  });

  it("is the same however the network cuts it, with boundary-like content", async () => {
    const content = `x\r\n--${BOUNDARY.slice(0, 3)}\r\n-\r\n--\r\n\r\n---`;
    const bytes = encoder.encode(field("name", "a") + file("file", content) + field("format", "trl") + END);
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.integer({ min: 1, max: bytes.length - 1 })), async (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        const chunks = at.slice(1).map((end, index) => bytes.slice(at[index], end));
        expect(await read(chunks)).toEqual({ before: "a", name: "a", format: "trl", content });
      }),
      { numRuns: 300 },
    );
    for (let cut = 1; cut < bytes.length; cut += 1) {
      expect((await read([bytes.slice(0, cut), bytes.slice(cut)])).content).toBe(content);
    }
  });

  it("pulls only as fast as the file is read", async () => {
    const head = encoder.encode(field("name", "a") + file("file", "").slice(0, -2));
    const parts = Array.from({ length: 50 }, () => new Uint8Array(1000).fill(120));
    const sent = request([head, ...parts, encoder.encode(`\r\n${END}`)]);
    await withUploadForm(sent.request, LIMITS, async (form) => {
      const chunks = form.chunks[Symbol.asyncIterator]();
      const before = sent.pulled();
      await chunks.next();
      await chunks.next();
      expect(sent.pulled() - before).toBeLessThanOrEqual(4);
      while (!(await chunks.next()).done) continue;
    });
  });

  it("is read to its end when its reader gives up, so that the client hears why", async () => {
    const parts = Array.from({ length: 5 }, () => encoder.encode("xxxxxxxx"));
    const head = encoder.encode(field("name", "a") + file("file", "").slice(0, -2));
    const sent = request([head, ...parts, encoder.encode(`\r\n${END}`)]);
    const work = withUploadForm(sent.request, LIMITS, async (form) => {
      for await (const _ of form.chunks) throw new DomainError("invalid_request", "line 1 is bad");
    });
    expect((await refusal(work)).message).toBe("line 1 is bad");
    expect(sent.pulled()).toBeGreaterThan(6);
  });
});

describe("a form of several files", () => {
  const limits = { fileFields: ["one", "two"], maxBytes: 1024 * 1024 };
  const text = file("two", "second\r\n--almost") + file("one", "first".repeat(50)) + END;
  const take = async (chunks: Uint8Array[], use: (part: FormFile) => Promise<string>, maxBytes = limits.maxBytes) =>
    withFilesForm(request(chunks).request, { ...limits, maxBytes }, async (files) => {
      const taken: string[] = [];
      for await (const part of files) taken.push(`${part.field}=${await use(part)}`);
      return taken;
    });
  const content = async ({ chunks }: FormFile): Promise<string> => {
    const decoder = new TextDecoder();
    let read = "";
    for await (const chunk of chunks) read += decoder.decode(chunk, { stream: true });
    return read;
  };

  it("gives them in their order, however the body is cut", async () => {
    const bytes = encoder.encode(text);
    for (let size = 1; size <= bytes.byteLength; size += 7) {
      const chunks = Array.from({ length: Math.ceil(bytes.byteLength / size) }, (_, i) =>
        bytes.slice(i * size, (i + 1) * size),
      );
      expect(await take(chunks, content)).toEqual(["two=second\r\n--almost", `one=${"first".repeat(50)}`]);
    }
  });

  it("drops what is not read of one when the next is asked for", async () => {
    const one = async (part: FormFile) => (part.field === "two" ? "left" : content(part));
    expect(await take([encoder.encode(text)], one)).toEqual(["two=left", `one=${"first".repeat(50)}`]);
  });

  it.each<[string, string, string | undefined]>([
    ["a file twice", file("one", "a") + file("one", "b") + END, "one"],
    ["another file", file("one", "a") + file("three", "b") + END, "three"],
    ["a field", file("one", "a") + field("name", "b") + END, "name"],
    ["its end cut off", text.slice(0, -12), undefined],
    ["a file cut off", text.slice(0, -60), undefined],
  ])("is refused with %s", async (_, wrong, name) => {
    const error = await refusal(take([encoder.encode(wrong)], content));
    expect([error.code, error.detail.field]).toEqual(["invalid_request", name]);
  });

  it("is cut at the limit of the whole body", async () => {
    expect((await refusal(take([encoder.encode(text)], content, 200))).code).toBe("payload_too_large");
  });
});

describe("a form that is not right", () => {
  it.each([
    ["no file", field("name", "a") + END, "file"],
    ["no name", file("file", "x") + END, "name"],
    ["two names", field("name", "a") + field("name", "b") + file("file", "x") + END, "name"],
    ["two files", field("name", "a") + file("file", "x") + file("file", "y") + END, "file"],
    ["an unknown field", field("nmae", "a") + file("file", "x") + END, "nmae"],
    ["an unknown file", field("name", "a") + file("flie", "x") + END, "flie"],
  ])("names what is wrong: %s", async (_, text, name) => {
    const error = await refusal(read(text));
    expect(error.code).toBe("invalid_request");
    expect(error.detail.field).toBe(name);
  });

  it.each([
    ["cut off", (field("name", "a") + file("file", "hello") + END).slice(0, -12)],
    ["cut off in a header", field("name", "a") + `--${BOUNDARY}\r\nContent-Dispos`],
    ["a part without a name", `--${BOUNDARY}\r\nContent-Disposition: form-data\r\n\r\nx\r\n${END}`],
    ["a broken file name", file("file", "x").replace('filename="a.jsonl"', "filename*=utf-8''%zz") + END],
    ["a field that is too long", field("name", "a".repeat(20_000)) + file("file", "x") + END],
  ])("is a 400: %s", async (_, text) => {
    expect((await refusal(read(text))).code).toBe("invalid_request");
  });

  it("must be multipart with a boundary", async () => {
    for (const type of ["application/json", "multipart/form-data", ""]) {
      const { request: sent } = request([encoder.encode("{}")], { "content-type": type });
      expect((await refusal(withUploadForm(sent, LIMITS, () => Promise.resolve()))).code).toBe(
        "unsupported_media_type",
      );
    }
  });

  it("is cut at the limit while it streams, and before by Content-Length", async () => {
    const text = field("name", "a") + file("file", "x".repeat(5000)) + END;
    const chunks = Array.from({ length: Math.ceil(text.length / 100) }, (_, i) =>
      encoder.encode(text.slice(i * 100, i * 100 + 100)),
    );
    const sent = request(chunks);
    const limits = { ...LIMITS, maxBytes: 1000 };
    const work = withUploadForm(sent.request, limits, (form) => wholeFile(form, 10_000));
    expect((await refusal(work)).code).toBe("payload_too_large");
    expect(sent.pulled()).toBeLessThan(15);
    const declared = request(chunks, { "content-length": "5000" });
    const early = withUploadForm(declared.request, limits, (form) => wholeFile(form, 10_000));
    expect((await refusal(early)).message).toContain("1000 bytes");
  });

  it("is not taken for a whole one when it breaks off before its Content-Length", async () => {
    const text = file("file", "x") + END;
    const whole = request([encoder.encode(text)], { "content-length": String(text.length) });
    await withUploadForm(whole.request, LIMITS, (form) => wholeFile(form, 100));
    const broken = request([encoder.encode(text)], { "content-length": String(text.length + 1) });
    const error = await refusal(withUploadForm(broken.request, LIMITS, (form) => wholeFile(form, 100)));
    expect(error.message).toBe(`the body broke off after ${String(text.length)} of ${String(text.length + 1)} bytes`);
  });
});
