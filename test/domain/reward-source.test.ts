import { describe, expect, it } from "vitest";
import { checkRewardSource, MAX_SOURCE_BYTES } from "../../worker/domain/reward-source";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("checkRewardSource", () => {
  it("takes the documented kinds", () => {
    checkRewardSource(bytes("def reward(completions, **kwargs):\n    return [0.0] * len(completions)\n"), "trl");
    checkRewardSource(bytes("async def reward(args, sample, **kwargs):\n    return 0.0\n"), "miles");
    checkRewardSource(bytes("async def reward(args, sample, **kwargs):\n    return 0.0\n"), "trl");
    checkRewardSource(bytes("def exact(input_text, expected_output, predicted_output): return 1.0\n"), "test", "exact");
  });

  it.each([
    ["nothing", bytes(""), "trl", "is empty"],
    ["only spaces", bytes(" \n\t\n"), "trl", "is empty"],
    ["another name", bytes("def score(completions): ..."), "trl", "no 'def reward(' found"],
    ["a plain function as miles", bytes("def reward(args, sample): ..."), "miles", "no 'async def reward(' found"],
    ["another name than said", bytes("def exact(a, b, c): ..."), "test", "no 'def score(' found"],
    ["bytes that are no text", new Uint8Array([0xff, 0xfe, 0x00]), "trl", "not UTF-8"],
    ["a file that is too long", new Uint8Array(MAX_SOURCE_BYTES + 1).fill(0x20), "trl", "1 MiB"],
  ] as const)("refuses %s", (_, source, format, sentence) => {
    expect(() => {
      checkRewardSource(source, format, "score");
    }).toThrow(
      expect.objectContaining({ detail: { field: "file" }, message: expect.stringContaining(sentence) as string }),
    );
  });
});
