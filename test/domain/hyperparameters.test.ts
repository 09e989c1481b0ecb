import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hyperparametersByMethod, METHODS } from "../../protocol";
import { DomainError } from "../../worker/domain/errors";
import { normaliseHyperparameters } from "../../worker/domain/hyperparameters";

const one = { gpuCount: 1 };

function refusal(work: () => unknown): DomainError {
  try {
    work();
  } catch (error) {
    if (error instanceof DomainError) return error;
    throw error;
  }
  throw new Error("was accepted");
}

describe("defaults", () => {
  it("are the contract's for grpo, in the order of its example", () => {
    const { values } = normaliseHyperparameters("grpo", {}, one);
    expect(JSON.stringify(values)).toBe(
      '{"learning_rate":0.000001,"num_epochs":1,"max_steps":null,"rollouts_per_prompt":8,"kl_coef":0.001,' +
        '"max_prompt_length":1024,"max_response_length":2048,"global_batch_size":64,"seed":42}',
    );
  });

  it("are the design's for sft_text", () => {
    const { values } = normaliseHyperparameters("sft_text", { batch_size: 2 }, { gpuCount: 4 });
    expect(values).toEqual({
      learning_rate: 2e-5,
      num_epochs: 1,
      max_steps: null,
      batch_size: 2,
      global_batch_size: 8,
      max_seq_length: 1024,
      seed: 42,
    });
  });

  it("are an encoder's for the methods that have a head", () => {
    for (const method of ["classification", "regression", "embedding"] as const) {
      expect(normaliseHyperparameters(method, {}, one).values).toEqual({
        learning_rate: 2e-5,
        num_epochs: 3,
        max_steps: null,
        batch_size: 16,
        global_batch_size: 16,
        max_seq_length: 256,
        seed: 42,
      });
    }
  });

  it("follow the rollouts", () => {
    expect(normaliseHyperparameters("grpo", { rollouts_per_prompt: 4 }, one).values.global_batch_size).toBe(32);
  });

  it("echo optional keys only when they were sent", () => {
    const sent = { lora_rank: 16, lora_dropout: 0, system_prompt: "" };
    expect(normaliseHyperparameters("grpo", sent, one).values).toMatchObject(sent);
    expect(normaliseHyperparameters("grpo", sent, one).values).not.toHaveProperty("lora_alpha");
  });

  it("take null for absent", () => {
    const nulls = { learning_rate: null, max_steps: null, lora_rank: null, lora_alpha: null, system_prompt: null };
    expect(normaliseHyperparameters("grpo", nulls, one)).toEqual(normaliseHyperparameters("grpo", {}, one));
  });
});

describe("refusals name the field", () => {
  it.each([
    ["learning_rate", 0, "must be a number above 0, at most 10, not 0"],
    ["learning_rate", "1e-6", 'not "1e-6"'],
    ["learning_rate", true, "not true"],
    ["num_epochs", -1, "above 0"],
    ["max_steps", 1.5, "must be a whole number from 1 to 100000000, not 1.5"],
    ["rollouts_per_prompt", 1, "from 2 to 1024"],
    ["kl_coef", Number.NaN, "not NaN"],
    ["kl_coef", Number.POSITIVE_INFINITY, "not Infinity"],
    ["lora_dropout", 1, "from 0 and below 1"],
    ["seed", -1, "from 0"],
    ["system_prompt", 7, "must be text"],
    ["global_batch_size", 12, "must be a multiple of rollouts_per_prompt: 12 is no multiple of 8"],
    ["lora_alpha", 8, "needs lora_rank"],
    ["load_in_4bit", true, "not supported"],
    ["learning_rte", 1, "is not a hyperparameter of grpo; known: learning_rate, num_epochs"],
    ["batch_size", 1, "is not a hyperparameter of grpo"],
    ["__proto__", 1, "is not a hyperparameter of grpo"],
    ["lr_scheduler", "sawtooth", "must be one of linear, cosine"],
    ["optimizer", 1, "must be one of adamw, adamw_8bit, paged_adamw_8bit, not 1"],
    ["warmup_ratio", 1.5, "must be a number from 0 to 1, not 1.5"],
    ["dynamic_loss", true, "is not a hyperparameter of grpo"],
  ])("%s = %s", (key, value, sentence) => {
    const raw = Object.fromEntries([[key, value]]);
    const error = refusal(() => normaliseHyperparameters("grpo", raw, one));
    expect(error.code).toBe("invalid_request");
    expect(error.detail.field).toBe(`hyperparameters.${key}`);
    expect(error.message).toContain(sentence);
  });

  it("dynamic_loss is true or false, where there is one", () => {
    const error = refusal(() => normaliseHyperparameters("classification", { dynamic_loss: 1 }, one));
    expect([error.detail.field, error.message]).toEqual([
      "hyperparameters.dynamic_loss",
      "hyperparameters.dynamic_loss must be true or false, not 1",
    ]);
    expect(normaliseHyperparameters("sft_text", { dynamic_loss: true }, one).values.dynamic_loss).toBe(true);
    expect(() => normaliseHyperparameters("regression", { dynamic_loss: true }, one)).toThrow(
      "is not a hyperparameter",
    );
  });

  it("checks the batch against the processes", () => {
    const grpo = refusal(() => normaliseHyperparameters("grpo", {}, { gpuCount: 3 }));
    expect(grpo.message).toContain("64 is no multiple of 3");
    const sft = { batch_size: 2, global_batch_size: 6 };
    expect(refusal(() => normaliseHyperparameters("sft_text", sft, { gpuCount: 2 })).detail.field).toBe(
      "hyperparameters.global_batch_size",
    );
  });

  it("takes what is not carried when it is switched off", () => {
    const off = { load_in_4bit: false, use_vllm: null, use_unsloth: false, use_liger: false, reward_weights: null };
    expect(normaliseHyperparameters("sft_text", off, one)).toEqual(normaliseHyperparameters("sft_text", {}, one));
  });
});

const loose = fc.oneof(
  fc.double(),
  fc.integer({ min: -2, max: 5000 }),
  fc.constantFrom(null, false, true, "1", [], {}),
);

describe("whatever is sent", () => {
  it.each(METHODS)("%s: what is accepted is what the protocol accepts, the rest is a named refusal", (method) => {
    const keys = Object.keys(hyperparametersByMethod[method].shape);
    const raw = fc.dictionary(fc.constantFrom(...keys), loose, { maxKeys: 3 });
    fc.assert(
      fc.property(raw, fc.integer({ min: 1, max: 8 }), (sent, gpuCount) => {
        try {
          const { values } = normaliseHyperparameters(method, sent, { gpuCount });
          expect(hyperparametersByMethod[method].parse(values)).toEqual(values);
        } catch (error) {
          if (!(error instanceof DomainError)) throw error;
          expect(error.detail.field).toMatch(/^hyperparameters\.\w+$/);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it.each(METHODS)("%s: what the protocol refuses in one key is refused here, and no more", (method) => {
    const schema = hyperparametersByMethod[method];
    const key = fc.constantFrom(...Object.keys(schema.shape));
    fc.assert(
      fc.property(key, fc.oneof(fc.double(), fc.integer({ min: -3, max: 200_000_000 })), (name, value) => {
        // Its own multiples and companions aside, which the protocol's schema does not know.
        if (name === "global_batch_size" || name === "rollouts_per_prompt" || name === "batch_size") return;
        const sent = name.startsWith("lora_") ? { lora_rank: 8, [name]: value } : { [name]: value };
        const base = normaliseHyperparameters(method, {}, one).values;
        const fits = schema.safeParse({ ...base, ...sent }).success;
        const accepted = (() => {
          try {
            normaliseHyperparameters(method, sent, one);
            return true;
          } catch {
            return false;
          }
        })();
        expect(accepted).toBe(fits);
      }),
      { numRuns: 2000 },
    );
  });
});
