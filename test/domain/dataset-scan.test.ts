import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DATASET_FORMATS } from "../../protocol";
import { formatFits } from "../../worker/domain/dataset-rows";
import { DatasetScanner, MAX_LINE_BYTES, type DatasetProfile } from "../../worker/domain/dataset-scan";
import { DomainError } from "../../worker/domain/errors";
import { MAX_DEPTH } from "../../worker/domain/row-limits";

function scan(...chunks: (string | Uint8Array)[]): DatasetProfile {
  const scanner = new DatasetScanner();
  for (const chunk of chunks) scanner.push(typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk);
  return scanner.end();
}

function refusal(...chunks: (string | Uint8Array)[]): DomainError {
  try {
    scan(...chunks);
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
  ])("%s", (row, format) => {
    expect(scan(`${row}\n`)).toEqual({ format, numRows: 1, columns: Object.keys(JSON.parse(row) as object) });
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
    ["a line too long", ["\n", new Uint8Array(MAX_LINE_BYTES), new Uint8Array(1)], 2, "line 2 is longer than 8 MiB"],
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

describe("however the bytes are cut", () => {
  const row = fc.oneof(
    fc.record({ prompt: fc.string({ unit: "grapheme" }), n: fc.integer() }),
    fc.record({ prompt: fc.string({ unit: "grapheme" }) }),
    fc.constantFrom("", " ", "{", '{"prompt":3}'),
  );
  const line = row.map((value) => (typeof value === "string" ? value : JSON.stringify(value)));
  const file = fc.array(line, { maxLength: 8 }).map((lines) => new TextEncoder().encode(lines.join("\n")));

  const outcome = (chunks: Uint8Array[]): unknown => {
    try {
      return scan(...chunks);
    } catch (error) {
      if (error instanceof DomainError) return { message: error.message, detail: error.detail };
      throw error;
    }
  };

  it("the answer is the same", () => {
    fc.assert(
      fc.property(file, fc.array(fc.nat(400), { maxLength: 12 }), (bytes, cuts) => {
        const bounds = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
        const chunks = bounds.slice(1).map((end, index) => bytes.subarray(bounds[index], end));
        expect(outcome(chunks)).toEqual(outcome([bytes]));
      }),
    );
  });
});

describe("which method takes which format", () => {
  it("grpo needs a prompt, sft_text something to learn", () => {
    const fitting = (method: "grpo" | "sft_text"): string[] =>
      DATASET_FORMATS.filter((format) => formatFits(method, format) === null);
    expect(fitting("grpo")).toEqual(["prompt_completion", "prompt"]);
    expect(fitting("sft_text")).toEqual(["messages", "prompt_completion", "text"]);
    expect(formatFits("grpo", "text")).toContain("'prompt' column");
  });
});
