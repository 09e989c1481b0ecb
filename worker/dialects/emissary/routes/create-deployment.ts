import { invalid } from "../../../domain/errors";
import { DEFAULT_INACTIVE_SECONDS, type EngineManagement } from "../../../domain/engines";
import { defineRoute } from "../../../http/define-route";
import { deployed } from "../deployed";
import { createDeployment as body, type CreateDeployment } from "../engine-schema";
import { inEngineWords } from "../errors";
import { fromDeployment, toSchedule } from "../map-engines";
import { principalIn, projectOf, readProject } from "../records";
import { deployment, projectParams } from "../schema";

export const createDeployment = defineRoute({
  operationId: "emissary.createDeployment",
  method: "post",
  path: "/v1/projects/{project_id}/deployments",
  scope: "write",
  summary: "Create deployment",
  description:
    "With an engine of its own, `<job's name>-engine`. Without a name the deployment is `<job's name>-checkpoint-<n>`.",
  tags: ["Deployments"],
  params: projectParams,
  firstRead: readProject,
  body,
  answer: { status: 201, description: "The deployment", schema: deployment },
  handler: async ({ body: sent, first, principal, services }) => {
    const owner = principalIn(principal, projectOf({ first }));
    const management = managementOf(sent);
    const field = "training_job_id";
    const model = { field, text: sent.training_job_id, checkpoint: sent.checkpoint };
    const { wanted, engine } = await deployed(services, owner, model);
    const request = {
      ...wanted,
      ...(typeof sent.name === "string" ? { name: sent.name } : {}),
      ...(sent.description ? { description: sent.description } : {}),
    };
    const made = () => services.createDeployment(owner, request, { management, ...engine });
    return fromDeployment(await inEngineWords(made, { model: field, base_model: field }));
  },
});

function managementOf({ inactive_timeout: seconds, schedule }: CreateDeployment): EngineManagement {
  if (schedule && typeof seconds === "number")
    throw invalid("inactive_timeout", "is in place of a schedule, not beside it");
  return schedule ? toSchedule(schedule) : { kind: "inactive_timeout", seconds: seconds ?? DEFAULT_INACTIVE_SECONDS };
}
