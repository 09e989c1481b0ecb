/** Which model a request deploys: a training job of the project, by its id, or a base model as it is. */
import type { Principal } from "../../domain/accounts";
import { invalid } from "../../domain/errors";
import { parseId } from "../../domain/ids";
import type { DeploymentRequest, EngineRequest } from "../../services/engine-services";
import type { Services } from "../../services/services";
import { engineBase } from "./base";
import { namedInBody } from "./errors";
import { PREFIX } from "./schema";

export interface Deployed {
  wanted: Pick<DeploymentRequest, "model" | "modelText" | "origin">;
  /** What an engine of its own needs for it. */
  engine: Pick<EngineRequest, "provider">;
}

/** `field` is where the body names the model. */
export async function deployed(
  services: Services,
  owner: Principal,
  { field, text, checkpoint }: { field: string; text: string; checkpoint: number },
): Promise<Deployed> {
  const wanted = { modelText: text, origin: "emissary" as const };
  if (text.startsWith(PREFIX.job)) {
    const job = await namedInBody(field, () => services.getJob(owner, parseId(PREFIX.job, text)));
    if (job.projectId !== owner.projectId) throw invalid(field, "is a training job of another project");
    return { wanted: { ...wanted, model: { jobId: job.id, checkpoint } }, engine: {} };
  }
  const { baseModel, provider } = engineBase(text, field);
  if (checkpoint !== 0) throw invalid("checkpoint", "must be 0 for a base model: only training jobs have others");
  return { wanted: { ...wanted, model: { baseModel } }, engine: provider === undefined ? {} : { provider } };
}
