/** What is deployed, and how the APIs with one field for it say so. */
import { invalid } from "./errors";
import { parseId } from "./ids";

/**
 * A checkpoint of a job by its ordinal (0: the base model at the job's root; null: its final one), or a base model by its
 * name. `jobId` null: the client named a job in no form that one has.
 */
export type DeployedModel = { jobId: string | null; checkpoint: number | null } | { baseModel: string };

/** `job_<id>` is that job's final model, `job_<id>@<n>` its n-th checkpoint; anything else names a base model. */
export function parseDeployedModel(text: string, field: string): DeployedModel {
  if (text === "") throw invalid(field, "is empty");
  if (!text.startsWith("job_") || text.includes("/")) return { baseModel: text };
  const [id = "", ordinal, ...rest] = text.split("@");
  if (rest.length > 0 || (ordinal !== undefined && !/^(0|[1-9][0-9]{0,8})$/.test(ordinal))) {
    throw invalid(field, "is no job's model: such a one is job_<id>, or job_<id>@<n> for its n-th checkpoint");
  }
  return { jobId: parseId("job_", id), checkpoint: ordinal === undefined ? null : Number(ordinal) };
}

/** The field of these APIs in which something is wrong, by the domain's, which has several for it. */
export function deployedModelField(field: string): string {
  return field === "checkpoint" || field === "base_model" ? "model" : field;
}
