import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { METHODS } from "../../protocol";
import { DomainError, STATUS_OF, type ErrorCode } from "../../worker/domain/errors";
import { JOB_STATUSES, isTerminal } from "../../worker/domain/job-state";
import { createTrainingJobBody } from "../../worker/dialects/veri/create-job-schema";
import { renderVeriError } from "../../worker/dialects/veri/errors";
import {
  methodOf,
  methodWord,
  STATUS_WORDS,
  statusWord,
  statusesOf,
  timestamp,
  toSpec,
} from "../../worker/dialects/veri/map";
import { VERI_METHODS, VERI_STATUSES } from "../../worker/dialects/veri/schema";

describe("statuses", () => {
  it("have a word each, and the words part them", () => {
    for (const status of JOB_STATUSES) {
      expect(VERI_STATUSES).toContain(statusWord(status));
      expect(STATUS_WORDS[status]).toBe(statusWord(status));
    }
    expect(VERI_STATUSES.flatMap(statusesOf).sort()).toEqual([...JOB_STATUSES].sort());
  });

  it("end in words that the published client takes for an end", () => {
    for (const status of JOB_STATUSES) {
      expect(["completed", "failed", "cancelled"].includes(statusWord(status))).toBe(isTerminal(status));
    }
  });
});

describe("methods", () => {
  it("have a word each, and a filter finds them by it", () => {
    for (const method of METHODS) expect(methodOf(methodWord(method))).toBe(method);
    expect(methodOf("sft_video_gen")).toBeNull();
    expect(VERI_METHODS).toEqual(expect.arrayContaining(METHODS.map(methodWord)));
  });

  it("of other APIs cannot be asked for, by their words or by Anneal's", () => {
    for (const method of ["classification", "sft_classification", "regression", "embedding", "sft_embedding"]) {
      const gpu = { type: "L4-24GB", count: 1 };
      const sent = { base_model: "m", dataset_id: "ds_1", output_name: "o", method, gpu };
      expect(() => toSpec(createTrainingJobBody.parse(sent))).toThrow("known: grpo, sft_text");
    }
  });
});

describe("errors", () => {
  it("have all four keys for every code", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...(Object.keys(STATUS_OF) as ErrorCode[])),
        fc.option(fc.string(), { nil: undefined }),
        (code, field) => {
          const failure = { code, status: STATUS_OF[code], message: "m", detail: { field }, requestId: "r" };
          const { error } = renderVeriError(failure);
          expect(Object.keys(error)).toEqual(["type", "code", "message", "param"]);
          expect(error.param).toBe(field ?? null);
        },
      ),
    );
  });
});

describe("timestamps", () => {
  it("are whole seconds of UTC", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4e12 }), (ms) => {
        expect(timestamp(ms)).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
        expect(Date.parse(timestamp(ms))).toBe(Math.floor(ms / 1000) * 1000);
      }),
    );
  });
});

describe("a request", () => {
  const id = fc.constantFrom("01k00000000000000000000000", "01k00000000000000000000001");
  const request = fc.record(
    {
      base_model: fc.string(),
      dataset_id: id.map((bare) => `ds_${bare}`),
      reward_function_id: fc.option(id.map((bare) => `rf_${bare}`)),
      reward_function_ids: fc.option(fc.array(id.map((bare) => `rf_${bare}`))),
      reward_weights: fc.option(fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { maxLength: 2 })),
      method: fc.option(fc.constantFrom("grpo", "sft_text", "sft_video_gen", "dpo")),
      output_name: fc.string(),
      hyperparameters: fc.option(fc.dictionary(fc.string(), fc.jsonValue())),
      gpu: fc.constantFrom({ type: "L4-24GB", count: 1 }, { gpu_type: "L4-24GB", gpu_count: 1 }, { type: "L4-24GB" }),
      provider: fc.option(fc.string()),
      environments: fc.option(fc.constant({ sandbox: {} })),
      checkpoint_destination: fc.option(fc.constantFrom({ type: "veri" }, { type: "s3" }, { type: 1 })),
    },
    { requiredKeys: ["base_model", "dataset_id", "output_name", "gpu"] },
  );

  it("becomes a spec that keeps what it asks for, or is refused by name", () => {
    fc.assert(
      fc.property(request, (sent) => {
        const parsed = createTrainingJobBody.safeParse(sent);
        if (!parsed.success) {
          expect(parsed.error.issues[0]?.path.length).toBeGreaterThan(0);
          return;
        }
        try {
          const spec = toSpec(parsed.data);
          expect(spec.method).toBe(sent.method ?? "grpo");
          expect(spec.baseModel).toBe(sent.base_model);
          expect(`ds_${String(spec.datasetId)}`).toBe(sent.dataset_id);
          expect(spec.hyperparameters).toEqual(sent.hyperparameters ?? {});
          expect(spec.gpu).toEqual({ type: "L4-24GB", count: 1 });
          const ids = sent.reward_function_ids ?? (sent.reward_function_id ? [sent.reward_function_id] : []);
          expect(spec.functions.map((fn) => ("id" in fn ? `rf_${String(fn.id)}` : fn))).toEqual(ids);
          expect(spec.functions.map((fn) => fn.weight)).toEqual(sent.reward_weights ?? ids.map(() => 1));
        } catch (error) {
          if (!(error instanceof DomainError)) throw error;
          expect(error.detail.field).toBeDefined();
        }
      }),
      { numRuns: 1000 },
    );
  });

  it("never makes the schema throw, whatever is sent", () => {
    fc.assert(fc.property(fc.jsonValue(), (sent) => void createTrainingJobBody.safeParse(sent)));
  });
});
