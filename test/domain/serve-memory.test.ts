import { expect, it } from "vitest";
import type { BaseModelRef } from "../../protocol";
import { serveBytes } from "../../worker/domain/serve-memory";

const GIB = 2 ** 30;
const A100 = { type: "A100-80GB", count: 1 };
const hub = (id: string): BaseModelRef => ({ kind: "hub", id });
const gib = (base: BaseModelRef, gpu = A100) => Math.round(serveBytes(base, gpu) / GIB);

it("guesses a model's memory by the size in its name, not by its family's number", () => {
  expect(gib(hub("Qwen/Qwen3-4B-Base"))).toBe(11);
  expect(gib(hub("meta-llama/Llama-3.2-1B-Instruct"))).toBe(4);
  expect(gib(hub("HuggingFaceTB/SmolLM2-135M"))).toBe(1);
  expect(gib(hub("google-bert/bert-base-uncased"))).toBe(1);
  expect(gib(hub("somebody/my-model"))).toBe(6);
  expect(serveBytes({ kind: "builtin", name: "anneal/tiny-llama" }, A100)).toBe(GIB / 2);
});

it("asks for no more than the GPUs have", () => {
  expect(gib(hub("a/b-70B"), { type: "L4-24GB", count: 1 })).toBe(20);
  expect(gib(hub("a/b-70B"), { type: "L4-24GB", count: 4 })).toBe(82);
});
