import { describe, expect, it } from "vitest";
import type { DatasetRecord, LabelProfile } from "../../worker/domain/artifacts";
import { DomainError } from "../../worker/domain/errors";
import { normaliseDownsample, normaliseRebalance } from "../../worker/domain/preparation";
import { normaliseTest } from "../../worker/domain/testing";

function dataset(labels?: LabelProfile, changes: Partial<DatasetRecord> = {}): DatasetRecord {
  return {
    ...{ id: "d", accountId: "a", projectId: "p", name: "n", sourceType: "upload", columns: ["text", "label"] },
    ...{ format: "text_label", numRows: 9, sizeBytes: 1, sha256: "", r2Key: "", createdAtMs: 0, fileName: null },
    profile: { fileKind: "csv", misfits: {}, ...(labels ? { labels } : {}) },
    ...changes,
  };
}

const three = dataset({ kind: "multiclass", counts: { a: 6, b: 2, c: 1 } });
const two = dataset({ kind: "binary", counts: { positive: 1, negative: 8 } });

function refusal(work: () => unknown): [string | undefined, string] {
  try {
    work();
  } catch (error) {
    if (error instanceof DomainError) return [error.detail.field, error.message];
    throw error;
  }
  throw new Error("was accepted");
}

describe("rebalance", () => {
  it("is by shares when no value is over 1, else by numbers of rows", () => {
    expect(normaliseRebalance("classification", three, { a: 0.333, b: 0.333, c: 0.333 }).by).toBe("ratio");
    expect(normaliseRebalance("classification", three, { a: 0, b: 1, c: 0 }).by).toBe("ratio");
    expect(normaliseRebalance("classification", three, { a: 300, b: 0 })).toEqual({
      by: "count",
      labels: { a: 300, b: 0 },
    });
    expect(normaliseRebalance("classification", two, { positive: 0.5, negative: 0.5 }).by).toBe("ratio");
  });

  it.each<[string, Record<string, number>, string]>([
    ["an unknown label", { a: 0.5, d: 0.5 }, "'d', which is no label of the dataset; it has 'a', 'b', 'c'"],
    ["what every object has", { toString: 1 }, "'toString', which is no label"],
    ["a label without a share", { a: 0.5, b: 0.5 }, "no share for the label 'c'"],
    ["shares that are no whole", { a: 0.5, b: 0.4, c: 0.2 }, "must sum to 1"],
    ["a share among numbers", { a: 0.5, b: 20 }, "mixes"],
    ["a number below 0", { a: -1 }, "-1"],
    ["NaN", { a: Number.NaN }, "NaN"],
    ["nothing", {}, "names no label"],
  ])("refuses %s", (_, wanted, sentence) => {
    const [field, message] = refusal(() => normaliseRebalance("classification", three, wanted));
    expect([field, message]).toEqual(["rebalance", expect.stringContaining(sentence)]);
  });

  it("is for classification of one label a row", () => {
    const several = dataset({ kind: "multilabel", counts: { a: 1 } });
    expect(refusal(() => normaliseRebalance("sft_text", three, { a: 1 }))[1]).toContain("is for classification");
    expect(refusal(() => normaliseRebalance("classification", several, { a: 1 }))[1]).toContain("multilabel");
    expect(refusal(() => normaliseRebalance("classification", dataset(), { a: 1 }))[1]).toContain("with labels");
  });
});

describe("downsample_percent", () => {
  it("is above 0 and at most 100, which is all", () => {
    expect([normaliseDownsample(undefined), normaliseDownsample(100), normaliseDownsample(0.5)]).toEqual([
      null,
      null,
      0.5,
    ]);
    for (const percent of [0, -1, 100.1, Number.NaN]) {
      expect(refusal(() => normaliseDownsample(percent))[0]).toBe("downsample_percent");
    }
  });
});

describe("a test", () => {
  it("is on a dataset or on a share", () => {
    expect(
      normaliseTest("classification", three, { dataset: null, splitPercent: 20, functionIds: ["shared:f"] }),
    ).toEqual({
      split_percent: 20,
      functions: [{ id: "shared:f" }],
    });
    expect(normaliseTest("classification", three, { dataset: dataset(), functionIds: [] })).toEqual({
      dataset_id: "d",
      functions: [],
    });
  });

  it.each<[string, Parameters<typeof normaliseTest>, string]>([
    ["both", ["classification", three, { dataset: three, splitPercent: 20, functionIds: [] }], "test"],
    ["neither", ["classification", three, { dataset: null, functionIds: [] }], "test"],
    ["all", ["classification", three, { dataset: null, splitPercent: 100, functionIds: [] }], "test.split_percent"],
    ["none", ["classification", three, { dataset: null, splitPercent: 0, functionIds: [] }], "test.split_percent"],
    [
      "one function twice",
      ["classification", three, { dataset: null, splitPercent: 1, functionIds: ["f", "f"] }],
      "test.functions",
    ],
    ["other labels", ["classification", three, { dataset: two, functionIds: [] }], "test.dataset_id"],
    [
      "another format",
      ["classification", three, { dataset: dataset(undefined, { format: "text" }), functionIds: [] }],
      "test.dataset_id",
    ],
    [
      "rows without an answer",
      ["sft_text", dataset(undefined, { format: "text" }), { dataset: null, splitPercent: 9, functionIds: [] }],
      "dataset_id",
    ],
  ])("is refused on %s", (_, args, field) => {
    expect(refusal(() => normaliseTest(...args))[0]).toBe(field);
  });
});
