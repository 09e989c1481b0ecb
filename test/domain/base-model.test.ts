import { describe, expect, it } from "vitest";
import { parseBaseModel } from "../../worker/domain/base-model";

const ULID = "01kdzv8rb200q9c8v3m4x5y6z7";

describe("parseBaseModel", () => {
  it.each([
    ["anneal/tiny-llama", { kind: "builtin", name: "anneal/tiny-llama" }],
    ["Qwen/Qwen3-4B", { kind: "hub", id: "Qwen/Qwen3-4B" }],
    ["gpt2", { kind: "hub", id: "gpt2" }],
    ["google/gemma-4-E4B-it", { kind: "hub", id: "google/gemma-4-E4B-it" }],
    ["meta-llama/Llama-3.1-8B-Instruct", { kind: "hub", id: "meta-llama/Llama-3.1-8B-Instruct" }],
    [`a/${"x".repeat(96)}`, { kind: "hub", id: `a/${"x".repeat(96)}` }],
    [`job_${ULID}`, { kind: "job", job_id: ULID }],
    [`job_${ULID}@12`, { kind: "job", job_id: ULID, ordinal: 12 }],
    ["/models/mine", { kind: "path", path: "/models/mine" }],
  ])("reads %s", (text, reference) => {
    expect(parseBaseModel(text, { allowPaths: true })).toEqual(reference);
  });

  it.each([
    ["", "is empty"],
    ["anneal/tiny-lama", "built in: anneal/tiny-llama"],
    ["a/b/c", "Hugging Face id"],
    ["-a/b", "Hugging Face id"],
    ["a/b.", "Hugging Face id"],
    ["a--b/c", "Hugging Face id"],
    ["a/..", "Hugging Face id"],
    ["a/b.git", "Hugging Face id"],
    ["a b", "Hugging Face id"],
    ["a/b\n", "Hugging Face id"],
    ["http://x/y", "Hugging Face id"],
    [`a/${"x".repeat(97)}`, "Hugging Face id"],
    ["job_xyz789", "no job's id"],
    [`job_${ULID}@0`, "no job's id"],
    [`job_${ULID}@1@2`, "no job's id"],
    [`job_${ULID.toUpperCase()}`, "no job's id"],
    ["/models/mine", "provider 'local'"],
    ["../mine", "provider 'local'"],
    ["~/mine", "provider 'local'"],
  ])("refuses %j", (text, sentence) => {
    expect(() => parseBaseModel(text, { allowPaths: false })).toThrow(
      expect.objectContaining({
        code: "invalid_request",
        detail: { field: "base_model" },
        message: expect.stringContaining(sentence) as string,
      }),
    );
  });

  it("wants absolute paths", () => {
    expect(() => parseBaseModel("./mine", { allowPaths: true })).toThrow("absolute");
  });
});
