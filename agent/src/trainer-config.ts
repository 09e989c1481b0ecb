/** Lease and local paths → the one file that the trainer reads. */
import {
  trainerConfig,
  type BaseModelRef,
  type Evaluation,
  type Lease,
  type SlotInfo,
  type Test,
  type TrainerConfig,
} from "../../protocol";
import type { LocalInputs } from "./inputs";
import type { TaskPaths } from "./paths";

export function toTrainerConfig(
  lease: Lease,
  slot: SlotInfo,
  inputs: LocalInputs,
  paths: TaskPaths,
  torchThreads: number | null,
): TrainerConfig {
  const { spec } = lease;
  const common = {
    version: 1,
    job_id: lease.job_id,
    attempt: lease.attempt,
    task: lease.kind,
    base_model: localBaseModel(lease.base_model, inputs),
    dataset: lease.inputs.dataset && { path: inputs.datasetPath, format: lease.inputs.dataset.format },
    preprocessed: inputs.preprocessedDir,
    output_dir: paths.output,
    resume_from: inputs.resumeDir,
    gpus: slot.gpus,
    torch_threads: torchThreads,
    resume_interval_seconds: lease.limits.resume_interval_ms / 1000,
    user_code: lease.limits.user_code,
    hyperparameters: spec.hyperparameters,
    ...(spec.eval && { eval: localEvaluation(spec.eval, lease, inputs) }),
    ...(spec.early_stop && { early_stop: spec.early_stop }),
    ...(spec.downsample_percent !== undefined && { downsample_percent: spec.downsample_percent }),
    ...(spec.rebalance && { rebalance: spec.rebalance }),
    ...(spec.test && { test: localTest(spec.test, lease, inputs) }),
  };
  if (spec.method !== "grpo") return trainerConfig.parse({ ...common, method: spec.method });
  const functions = lease.inputs.functions.map(({ id, name, format, weight }) => ({
    id,
    name,
    format,
    weight,
    path: inputs.functionPaths.get(id),
  }));
  return trainerConfig.parse({ ...common, method: spec.method, functions });
}

function localEvaluation(evaluation: Evaluation, lease: Lease, inputs: LocalInputs): TrainerConfig["eval"] {
  const { every_steps = null, every_epochs, metrics, at_start } = evaluation;
  const times = { every_steps, every_epochs, metrics, at_start };
  if ("split_percent" in evaluation) return { dataset: null, split_percent: evaluation.split_percent, ...times };
  const { eval_dataset: dataset } = lease.inputs;
  if (!dataset || inputs.evalDatasetPath === null) throw new Error("the lease has no dataset for its evaluation");
  return { dataset: { path: inputs.evalDatasetPath, format: dataset.format }, split_percent: null, ...times };
}

function localTest(test: Test, lease: Lease, inputs: LocalInputs): unknown {
  const leased = lease.inputs.test;
  if (!leased) throw new Error("the lease has nothing for its tests");
  const { dataset } = leased;
  if ("dataset_id" in test !== (dataset !== undefined)) throw new Error("the lease has another dataset for its tests");
  return {
    dataset: dataset ? { path: inputs.testDatasetPath, format: dataset.format } : null,
    split_percent: "split_percent" in test ? test.split_percent : null,
    functions: leased.functions.map(({ id, name, format }) => ({
      id,
      name,
      format,
      path: inputs.testFunctionPaths.get(id),
    })),
    checkpoints: inputs.untested,
    is_trained: leased.is_trained,
  };
}

/** A job's files are at a path by now. */
export function localBaseModel(reference: BaseModelRef, inputs: LocalInputs): TrainerConfig["base_model"] {
  if (reference.kind !== "job") return reference;
  if (inputs.baseDir === null) throw new Error("the lease has a job as base model but not that job's files");
  return { kind: "path", path: inputs.baseDir };
}
