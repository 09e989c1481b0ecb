import { describe, expect, it } from "vitest";
import { METHODS } from "../../protocol";
import { parseBaseModel } from "../../worker/domain/base-model";
import { baseMisfit, CATALOGUE, modelOf } from "../../worker/domain/catalogue";

const ULID = "01kdzv8rb200q9c8v3m4x5y6z7";

describe("parseBaseModel", () => {
  it.each([
    ["anneal/tiny-llama", { kind: "builtin", name: "anneal/tiny-llama" }],
    ["anneal/tiny-bert", { kind: "builtin", name: "anneal/tiny-bert" }],
    ["Llama-3.2-1B-Instruct", { kind: "hub", id: "meta-llama/Llama-3.2-1B-Instruct" }],
    ["BERT", { kind: "hub", id: "google-bert/bert-base-uncased" }],
    ["bert", { kind: "hub", id: "bert" }],
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

describe("the catalogue", () => {
  it("has each name once, and every name leads back to its model", () => {
    expect(new Set(CATALOGUE.map(({ name }) => name)).size).toBe(CATALOGUE.length);
    for (const model of CATALOGUE) expect(modelOf(parseBaseModel(model.name, { allowPaths: false }))).toBe(model);
    expect(modelOf({ kind: "hub", id: "gpt2" })).toBeNull();
  });

  it("proposes numbers and words for what a model can be trained for, and for nothing else", () => {
    for (const { tasks, templates, isLanguageModel } of CATALOGUE) {
      expect(METHODS.filter((method) => templates[method] !== undefined)).toEqual([...tasks]);
      expect(tasks.includes("sft_text")).toBe(isLanguageModel);
      for (const value of Object.values(templates).flatMap((template) => Object.values(template))) {
        expect(["number", "string"]).toContain(typeof value);
      }
    }
  });

  it("says which base a method cannot begin from", () => {
    const bert = parseBaseModel("anneal/tiny-bert", { allowPaths: false });
    expect(baseMisfit("grpo", bert, null)).toContain("anneal/tiny-bert cannot be trained by grpo");
    expect(baseMisfit("embedding", bert, null)).toBeNull();
    expect(baseMisfit("grpo", { kind: "hub", id: "gpt2" }, null)).toBeNull();
    const job = { kind: "job" as const, job_id: ULID };
    expect(baseMisfit("sft_text", job, "classification")).toContain("needs a language model");
    expect(baseMisfit("classification", job, "classification")).toBeNull();
    expect(baseMisfit("grpo", job, "sft_text")).toBeNull();
  });
});
