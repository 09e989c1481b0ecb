import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DATASET_FORMATS, type Method } from "../../protocol";
import { csvCells } from "../../worker/domain/csv-cells";
import { formatFits, methodsFor } from "../../worker/domain/dataset-fit";
import { DatasetScanner, type DatasetProfile } from "../../worker/domain/dataset-scan";
import { DomainError } from "../../worker/domain/errors";
import { MAX_DEPTH } from "../../worker/domain/row-limits";
import { MAX_ROW_BYTES } from "../../worker/domain/row-reader";

type Bytes = string | Uint8Array;

function scanned(fileName: string | null, chunks: Bytes[]): DatasetProfile {
  const scanner = new DatasetScanner(fileName);
  for (const chunk of chunks) scanner.push(typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk);
  const profile = scanner.end();
  expect(scanner.end()).toBe(profile);
  return profile;
}

const scan = (...chunks: Bytes[]): DatasetProfile => scanned(null, chunks);

function refusal(...chunks: Bytes[]): DomainError {
  return refusalOf(null, chunks);
}

function refusalOf(fileName: string | null, chunks: Bytes[]): DomainError {
  try {
    scanned(fileName, chunks);
  } catch (error) {
    if (error instanceof DomainError) return error;
    throw error;
  }
  throw new Error("was accepted");
}

/** A row of so many levels. */
function nested(levels: number): string {
  return `{"text":"a","x":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;
}

const LABELS = '{"prompt":"a","completion":{"cat":1,"dog":0}}';

describe("formats, from the first row", () => {
  it.each([
    ['{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}', "messages"],
    ['{"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b"}]}', "messages"],
    ['{"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]}', "messages"],
    ['{"instruction":"a","input":"","output":"b","system":null}', "messages"],
    ['{"prompt":"a","completion":"b"}', "prompt_completion"],
    ['{"prompt":[{"role":"user","content":"a"}],"completion":"b"}', "prompt_completion"],
    ['{"prompt":"a","answer":3}', "prompt"],
    ['{"text":"a"}', "text"],
    ['{"text":"a","label":1}', "text_label"],
    ['{"text":"a","labels":["x","y"]}', "text_label"],
    ['{"text":"a","score":0.5}', "text_score"],
    ['{"text1":"a","text2":"b","score":1}', "text_pair_score"],
    ['{"prompt":"a","completion":{"is_cat":1}}', "text_label"],
    ['{"prompt":"a","completion":0.231}', "text_score"],
  ])("%s", (row, format) => {
    const columns = Object.keys(JSON.parse(row) as object);
    expect(scan(`${row}\n`)).toMatchObject({ format, numRows: 1, columns, profile: { fileKind: "jsonl" } });
  });
});

describe("lines", () => {
  it("may end in CRLF, be blank, begin with a byte order mark, and miss the last newline", () => {
    expect(scan('\ufeff{"prompt":"a"}\r\n\r\n  \n{"prompt":"b"}')).toMatchObject({ format: "prompt", numRows: 2 });
  });

  it("may hold what JSON allows", () => {
    expect(scan(nested(MAX_DEPTH)).numRows).toBe(1);
    expect(scan('{"prompt":"a\u2028b","x":{"__proto__":1}}\n').numRows).toBe(1);
  });
});

describe("refusals say the line", () => {
  it.each([
    ["broken JSON", ['{"prompt":"a"}\n\n{"prompt":\n'], 3, "line 3 is not valid JSON:"],
    ["a list", ['[{"prompt":"a"}]'], 1, "not a JSON object but a list"],
    ["a number", ['{"prompt":"a"}\n7'], 2, "line 2 is not a JSON object but 7"],
    [
      "a missing column",
      ['{"prompt":"a","completion":"b"}\n{"prompt":"a"}\n'],
      2,
      "line 2 has no 'completion' (the first row decided the format prompt+completion)",
    ],
    [
      "a wrong type",
      ['{"prompt":"a"}\n{"prompt":7}\n'],
      2,
      "has a 'prompt' that is neither text nor a list of messages",
    ],
    ["a null", ['{"text":null}\n'], 1, "line 1 has a 'text' that is not text"],
    ["unknown columns", ['{"question":"a"}\n'], 1, "one of 'prompt', 'messages' or 'text' is needed"],
    ["preference pairs", ['{"prompt":"a","chosen":"b","rejected":"c"}'], 1, "preference pairs"],
    ["an unknown role", ['{"messages":[{"role":"bot","content":"a"}]}'], 1, 'the role "bot"'],
    ["no messages", ['{"messages":[]}'], 1, "empty list"],
    ["half a surrogate pair", ['{"text":"\\ud800"}'], 1, "surrogate"],
    ["too deep a row", ['{"text":"a"}\n', nested(MAX_DEPTH + 1)], 2, "line 2 is nested deeper than 100 levels"],
    ["a very deep row", [nested(1_000_000)], 1, "line 1 is nested deeper"],
    ["a number of 400 digits", [`{"text":"a","n":[${"9".repeat(400)}]}`], 1, "line 1 has a number that is too large"],
    ["1e999", ['{"text":"a"}\n{"text":"a","n":-1e999}'], 2, "line 2 has a number that is too large"],
    ["not UTF-8", ['{"text":"a"}\n', new Uint8Array([0x7b, 0xff, 0x7d, 0x0a])], 2, "line 2 is not valid UTF-8"],
    ["a byte order mark inside", ['{"text":"a"}\n\ufeff{"text":"a"}'], 2, "line 2 is not valid JSON"],
    [
      "a line too long",
      ['{"text":"a"}\n', new Uint8Array(MAX_ROW_BYTES), new Uint8Array(1)],
      2,
      "line 2 is longer than 8 MiB",
    ],
    ["other labels", [`${LABELS}\n`, '{"prompt":"a","completion":{"cat":1}}'], 2, "has no label 'dog'"],
    ["one label more", ['{"prompt":"a","completion":{"x":1}}\n', LABELS], 2, "has no label 'x'"],
    ["half a label", [`${LABELS}\n`, LABELS.replace("1", "0.5")], 2, "gives the label 'cat' neither 0 nor 1"],
    ["no labels", ['{"prompt":"a","completion":{}}'], 1, "has no labels"],
    ["a score that is none", ['{"prompt":"a","completion":1}\n{"prompt":"a","completion":"1"}'], 2, "is not a number"],
  ])("%s", (_, chunks, line, sentence) => {
    const error = refusal(...chunks);
    expect(error).toMatchObject({ code: "invalid_request", detail: { field: "file", line } });
    expect(error.message).toContain(sentence);
  });

  it.each([["nothing"], ["\n \r\n"], ["\ufeff"]])("an empty file: %j", (content) => {
    const error = refusal(content === "nothing" ? "" : content);
    expect(error.message).toContain("empty");
    expect(error.detail).toEqual({ field: "file" });
  });
});

describe("CSV", () => {
  it.each([
    ["text,category\na,x\nb,y", "prompt_completion"],
    ["input,expected_output\na,x", "prompt_completion"],
    ["id,label,prompt\n1,x,a", "prompt_completion"],
    ["text1,text2,score\na,b,0.5\nc,d,1", "text_pair_score"],
    ["text,score\na,0.5", "text_score"],
    ["text\na", "text"],
    ["prompt,answer\na,1", "prompt"],
    ["input\na", "prompt"],
    [',text\n0,"a"', "text"],
  ])("%j", (file, format) => {
    const columns = file.split("\n")[0]?.split(",");
    const numRows = file.split("\n").length - 1;
    expect(scan(file)).toMatchObject({ format, numRows, columns, profile: { fileKind: "csv" } });
  });

  it("has quoted cells with commas, quotes and line breaks, any line end, blank lines and a byte order mark", () => {
    const file = '\ufefftext,category\r\n"a, ""b""\r\nc",x\r\n\r\nd,"y"\ne,z';
    expect(scan(file)).toMatchObject({ numRows: 3, profile: { labels: { counts: { x: 1, y: 1, z: 1 } } } });
    const bytes = [...new TextEncoder().encode(file)].map((byte) => new Uint8Array([byte]));
    expect(scan(...bytes).numRows).toBe(3);
  });

  it("is told by its name, or by its first byte", () => {
    expect(scanned("a.CSV", ["text\na"]).profile.fileKind).toBe("csv");
    expect(refusalOf("a.data", [" \n", "text\na"]).message).toContain("line 1 is the header");
    expect(scanned("a.data", [" ".repeat(9000), '{"text":"a"}']).profile.fileKind).toBe("jsonl");
    expect(refusalOf("a.jsonl", ["text\na"]).message).toContain("line 1 is not valid JSON");
    expect(refusalOf("a.csv", ["{x,text\n1,a"]).message).toContain("line 1 begins with '{'");
  });

  it.each([
    ["a missing field", ["text,category\na,x\nb\n"], 3, "line 3 has no 'category': 1 of 2 cells"],
    ["an empty cell", ["text,category\na,x\nb,\n"], 3, "line 3 has nothing in 'category'"],
    ["a cell of spaces", ['text,category\n"  ",x'], 2, "line 2 has nothing in 'text'"],
    ["a cell too many", ["text,category\na,x,1\n"], 2, "line 2 has 3 cells, and the header names 2"],
    ["behind a cell of three lines", ['text,category\n"a\nb\nc",x\n\nd\n'], 6, "line 6 has no 'category'"],
    ["a score in words", ["text1,text2,score\na,b,0.5\nc,d,high"], 3, "has a 'score' that is not a number: 'high'"],
    ["a hexadecimal score", ["text1,text2,score\na,b,0x1"], 2, "not a number: '0x1'"],
    ["unknown columns", ["question,answer\na,b"], 1, "names 'question', 'answer'; 'prompt' (or 'input', 'text')"],
    ["a column twice", ["text,label,text\na,b,c"], 1, "names the column 'text' twice"],
    [
      "very many columns",
      [`text,label,${Array.from({ length: 200_000 }, (_, n) => n).join(",")}`],
      1,
      "names more than",
    ],
    ["an open quote", ['text,category\na,x\n"b,y\nc,z\n'], 3, "line 3 begins a row with a quote that is never closed"],
    ["more behind a quote", ['text,category\n"a"b,x'], 2, "more behind its closing quote"],
    ["a quote inside", ['text,category\na"b,x'], 2, "has a quote inside a cell"],
    ["not UTF-8", ["text,category\na,", new Uint8Array([0xff, 0x0a])], 2, "line 2 is not valid UTF-8"],
    ["a row too long", ["text,category\na,x\n", "b".repeat(MAX_ROW_BYTES), "b"], 3, "longer than 8 MiB"],
    ["a row of endless lines", ['text,category\na,x\n"', "\n".repeat(MAX_ROW_BYTES + 1)], 3, "longer than 8 MiB"],
    [
      "a row of endless cells",
      ["text,category\na,x\n", ...Array<string>(9).fill(",".repeat(2 ** 20))],
      3,
      "longer than",
    ],
    ["a stray carriage return", ["text,category\ra,x\r"], 1, "carriage return"],
    ["one beside quotes", ['text,category\na,x\n"b",y\rz'], 3, "carriage return"],
  ])("%s is refused by its line", (_, chunks, line, sentence) => {
    const error = refusal(...chunks);
    expect(error).toMatchObject({ code: "invalid_request", detail: { field: "file", line } });
    expect(error.message).toContain(sentence);
  });

  it("gives back every cell that was written", () => {
    const written = (cell: string): string => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
    const cells = fc.array(fc.string({ unit: fc.constantFrom("a", '"', ",", "\n", "\r", " ", "é") }), { minLength: 1 });
    fc.assert(
      fc.property(cells, (record) => {
        expect(csvCells(record.map(written).join(","))).toEqual(record);
      }),
    );
  });

  it("without a row is empty", () => {
    expect(refusal("text,category\n").message).toContain("empty");
  });
});

describe("what the pass over the rows shows", () => {
  const rows = (...values: unknown[]): string => values.map((value) => JSON.stringify(value)).join("\n");
  const one = (label: string) => ({ text: "t", label });
  const bits = (completion: Record<string, number>) => ({ prompt: "p", completion });

  it.each([
    ["binary", rows(bits({ cat: 1 }), bits({ cat: 0 }), bits({ cat: 0 })), { positive: 1, negative: 2 }],
    ["multiclass", rows(bits({ a: 1, b: 0, c: 0 }), bits({ a: 0, b: 1, c: 0 })), { a: 1, b: 1, c: 0 }],
    ["multilabel", rows(bits({ a: 1, b: 1 }), bits({ a: 0, b: 0 })), { a: 1, b: 1 }],
    ["multiclass", rows(one("x"), one("x"), one("y")), { x: 2, y: 1 }],
    ["multilabel", rows({ text: "t", labels: ["x", "y", "x"] }, { text: "t", labels: [] }), { x: 1, y: 1 }],
    ["multiclass", rows({ text: "t", label: 1 }, { text: "t", label: true }), { "1": 1, true: 1 }],
    ["multiclass", rows({ prompt: "p", completion: "b" }, { prompt: "p", completion: "a" }), { a: 1, b: 1 }],
  ])("labels: %s %s", (kind, file, counts) => {
    expect(scan(file).profile.labels).toEqual({ kind, counts });
  });

  it("counts no more labels than the record may hold", () => {
    const many = (n: number): string => rows(...Array.from({ length: n }, (_, i) => one(`label ${String(i)}`)));
    expect(Object.keys(scan(many(1000)).profile.labels?.counts ?? {})).toHaveLength(1000);
    expect(scan(many(1001)).profile.labels).toBeUndefined();
    const long = rows(...Array.from({ length: 100 }, (_, i) => one(`${String(i)} ${"x".repeat(900)}`)));
    expect(scan(long).profile.labels).toBeUndefined();
  });

  it.each([
    [
      "prompt,label\na,1\nb,2.5e-1\nc,high\nd,low",
      "regression",
      "line 4 has a 'completion' that is not a number: 'high'",
    ],
    [
      rows({ prompt: "p", completion: "x" }, { prompt: "p", completion: " " }),
      "classification",
      "line 2 has a label that",
    ],
    [
      rows({ text1: "a", text2: "b", score: 5 }),
      "embedding",
      "line 1 has a 'score' of 5; a similarity is between 0 and 1",
    ],
    [rows({ messages: [{ role: "user", content: "a" }] }), "grpo", "line 1 has no message of the assistant"],
    [rows({ messages: [{ role: "assistant", content: "a" }] }), "grpo", "line 1 has no message before its answer"],
    [
      rows({ prompt: "p", completion: [{ role: "assistant", content: "a" }] }),
      "classification",
      "line 1 has a 'completion' that is a conversation",
    ],
  ] as const)("%s cannot train %s", (file, method, sentence) => {
    const { format, profile } = scan(file);
    expect(profile.misfits[method]).toContain(sentence);
    expect(formatFits(method, { format, profile })).toContain(sentence);
    expect(methodsFor({ format, profile })).not.toContain(method);
  });
});

describe("however the bytes are cut", () => {
  const row = fc.oneof(
    fc.record({ prompt: fc.string({ unit: "grapheme" }), n: fc.integer() }),
    fc.record({ prompt: fc.string({ unit: "grapheme" }) }),
    fc.constantFrom("", " ", "{", '{"prompt":3}'),
  );
  const line = row.map((value) => (typeof value === "string" ? value : JSON.stringify(value)));
  const file = fc.array(line, { maxLength: 8 }).map((lines) => new TextEncoder().encode(lines.join("\n")));

  const cell = fc.oneof(
    fc.string({ unit: "grapheme" }).map((text) => `"${text.replaceAll('"', '""')}"`),
    fc.constantFrom("a", "", '"', '"a\r\nb"', "\r\n", "\r", "\n"),
  );
  const csv = fc
    .array(fc.array(cell, { minLength: 1, maxLength: 3 }), { maxLength: 8 })
    .map((lines) => new TextEncoder().encode(["text,label", ...lines.map((cells) => cells.join(","))].join("\r\n")));

  const outcome = (chunks: Uint8Array[]): unknown => {
    try {
      return scan(...chunks);
    } catch (error) {
      if (error instanceof DomainError) return { message: error.message, detail: error.detail };
      throw error;
    }
  };

  it.each([["JSON Lines"], ["CSV"]])("the answer is the same: %s", (kind) => {
    fc.assert(
      fc.property(kind === "CSV" ? csv : file, fc.array(fc.nat(400), { maxLength: 12 }), (bytes, cuts) => {
        const bounds = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
        const chunks = bounds.slice(1).map((end, index) => bytes.subarray(bounds[index], end));
        expect(outcome(chunks)).toEqual(outcome([bytes]));
      }),
    );
  });
});

describe("which method takes which format", () => {
  it("by what each learns from", () => {
    const fitting = (method: Method): string[] =>
      DATASET_FORMATS.filter((format) => formatFits(method, { format, profile: null }) === null);
    expect(fitting("grpo")).toEqual(["messages", "prompt_completion", "prompt"]);
    expect(fitting("sft_text")).toEqual(["messages", "prompt_completion", "text"]);
    expect(fitting("classification")).toEqual(["prompt_completion", "text_label"]);
    expect(fitting("regression")).toEqual(["prompt_completion", "text_score"]);
    expect(fitting("embedding")).toEqual(["text_pair_score"]);
    expect(formatFits("grpo", { format: "text", profile: null })).toContain("'prompt' column");
  });
});
