/** Lease and local paths → the one file that the trainer reads. */
import { trainerConfig, type BaseModelRef, type Lease, type SlotInfo, type TrainerConfig } from "../../protocol";
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
    base_model: localBaseModel(lease.base_model, inputs),
    dataset: { path: inputs.datasetPath, format: lease.inputs.dataset.format },
    output_dir: paths.output,
    resume_from: inputs.resumeDir,
    gpus: slot.gpus,
    torch_threads: torchThreads,
    resume_interval_seconds: lease.limits.resume_interval_ms / 1000,
    user_code: lease.limits.user_code,
    hyperparameters: spec.hyperparameters,
  };
  if (spec.method === "sft_text") return trainerConfig.parse({ ...common, method: spec.method });
  const functions = lease.inputs.functions.map(({ id, name, format, weight }) => ({
    id,
    name,
    format,
    weight,
    path: inputs.functionPaths.get(id),
  }));
  return trainerConfig.parse({ ...common, method: spec.method, functions });
}

function localBaseModel(reference: BaseModelRef, inputs: LocalInputs): BaseModelRef {
  if (reference.kind !== "job") return reference;
  if (inputs.baseDir === null) throw new Error("the lease has a job as base model but not that job's files");
  return { kind: "path", path: inputs.baseDir };
}
