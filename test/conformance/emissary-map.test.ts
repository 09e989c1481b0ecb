import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { jobSpec, METHODS, type JobSpec, type Method } from "../../protocol";
import { CATALOGUE } from "../../worker/domain/catalogue";
import { DomainError, STATUS_OF, type ErrorCode } from "../../worker/domain/errors";
import { normaliseHyperparameters } from "../../worker/domain/hyperparameters";
import { JOB_STATUSES, isTerminal } from "../../worker/domain/job-state";
import { normaliseDownsample } from "../../worker/domain/preparation";
import { inEmissaryWords, renderEmissaryError } from "../../worker/dialects/emissary/errors";
import { methodOf, statusWord, taskWord, techniqueWord } from "../../worker/dialects/emissary/map";
import { fromTraining, templateOf, toTraining } from "../../worker/dialects/emissary/parameters";
import { EMISSARY_STATUSES, TASK_TYPES, TECHNIQUES } from "../../worker/dialects/emissary/schema";

describe("words", () => {
  it("there is one for every status, and the ends are ends", () => {
    for (const status of JOB_STATUSES) {
      expect(EMISSARY_STATUSES).toContain(statusWord(status));
      expect(["Success", "Failed", "TimedOut", "Cancelled"].includes(statusWord(status))).toBe(isTerminal(status));
    }
  });

  it("technique and task name every method, and GRPO has one task", () => {
    for (const method of METHODS) expect(methodOf(techniqueWord(method), taskWord(method))).toBe(method);
    const none = TECHNIQUES.flatMap((technique) => TASK_TYPES.map((task) => methodOf(technique, task))).filter(
      (method) => method === null,
    );
    expect(none).toHaveLength(3);
  });
});

describe("errors", () => {
  it("have a status and a sentence, and a code for what is not found", () => {
    for (const code of Object.keys(STATUS_OF) as ErrorCode[]) {
      const status = STATUS_OF[code];
      const body = renderEmissaryError({ code, status, message: "m", detail: {}, requestId: "r" });
      expect(body).toEqual({ status, error: "m", ...(status === 404 ? { code: "object_not_found" } : {}) });
    }
  });

  it("name the body's fields, and make an unknown id in a body a bad request", async () => {
    const told = (field: string, code: ErrorCode = "not_found") =>
      inEmissaryWords(() => Promise.reject(new DomainError(code, `${field} is wrong`, { field }))).catch(
        (error: unknown) => (error instanceof DomainError ? [error.code, error.detail.field, error.message] : error),
      );
    expect(await told("dataset_id")).toEqual(["invalid_request", "train_dataset_id", "train_dataset_id is wrong"]);
    const epochs = "parameters.num_train_epochs";
    expect(await told("hyperparameters.num_epochs", "invalid_request")).toEqual([
      ...["invalid_request", epochs, `${epochs} is wrong`],
    ]);
    expect(await told("upload_id", "conflict")).toEqual(["conflict", "upload_id", "upload_id is wrong"]);
  });
});

function specOf(method: Method, sent: Record<string, unknown>, modelName: string): JobSpec {
  const model = CATALOGUE.find(({ name }) => name === modelName) ?? null;
  const training = toTraining(method, templateOf(model, method), sent);
  const { perGpu, accumulation } = training.batching ?? { perGpu: 1, accumulation: 1 };
  const wanted = { ...training.hyperparameters, global_batch_size: perGpu * accumulation };
  const { values } = normaliseHyperparameters(method, wanted, { gpuCount: 1 });
  const percent = normaliseDownsample(training.downsamplePercent);
  return jobSpec.parse({
    ...{ version: 1, method, base_model: { kind: "hub", id: "x/y" }, dataset_id: "d", output_name: "n" },
    ...{ gpu: { type: "L4-24GB", count: 1 }, provider: null, hyperparameters: values },
    functions: method === "grpo" ? [{ id: "shared:x", weight: 1 }] : [],
    ...(percent === null ? {} : { downsample_percent: percent }),
  });
}

describe("parameters", () => {
  it.each(CATALOGUE.flatMap(({ name, tasks }) => tasks.map((method) => [name, method] as const)))(
    "of %s for %s: the template alone makes a job, which shows it whole",
    (name, method) => {
      const model = CATALOGUE.find((one) => one.name === name) ?? null;
      expect(fromTraining(specOf(method, {}, name))).toMatchObject(templateOf(model, method));
    },
  );

  const loose = fc.oneof(
    fc.double(),
    fc.integer({ min: -2, max: 5000 }),
    fc.constantFrom(null, true, "cosine", [], {}),
  );
  const sent = fc.dictionary(
    fc.oneof(
      fc.constantFrom(
        ...["learning_rate", "num_train_epochs", "per_device_train_batch_size", "num_generations", "lora_rank"],
        ...["gradient_accumulation_steps", "lr_scheduler_type", "optim", "downsample_size", "warmup_steps", "seed"],
      ),
      fc.string(),
    ),
    loose,
    { maxKeys: 3 },
  );

  it.each(METHODS)(
    "%s: whatever is sent is refused by name, or shown so that it makes the same job again",
    (method) => {
      fc.assert(
        fc.property(sent, (parameters) => {
          let spec: JobSpec;
          try {
            spec = specOf(method, parameters, "anneal/tiny-llama");
          } catch (error) {
            if (!(error instanceof DomainError)) throw error;
            expect(error.detail.field).toMatch(/^(parameters|hyperparameters)\.|^downsample_percent$/);
            return;
          }
          const shown = fromTraining(spec);
          const withoutLora = shown["lora_rank"] === undefined ? { lora_rank: 0 } : {};
          expect(specOf(method, { ...shown, ...withoutLora }, "anneal/tiny-llama")).toEqual(spec);
        }),
        { numRuns: 1000 },
      );
    },
  );
});
