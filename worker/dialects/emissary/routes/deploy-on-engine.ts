import { parseId } from "../../../domain/ids";
import { defineRoute } from "../../../http/define-route";
import { deployed } from "../deployed";
import { deployOnEngine as body, engineParams } from "../engine-schema";
import { inEngineWords, namedInBody } from "../errors";
import { fromDeployment } from "../map-engines";
import { engineOf, principalIn, readEngine } from "../records";
import { deployment, PREFIX } from "../schema";

export const deployOnEngine = defineRoute({
  operationId: "emissary.deployOnEngine",
  method: "post",
  path: "/v1/engines/{engine_id}/deploy",
  scope: "write",
  summary: "Create Deployment on Inference Engine",
  description: "Its base model must be the engine's. Without a name it is `<job's name>-checkpoint-<n>`.",
  tags: ["Inference Engines"],
  params: engineParams,
  firstRead: readEngine,
  body,
  answer: { status: 201, description: "The deployment", schema: deployment },
  handler: async ({ body: { name, project_id, training_id, checkpoint }, first, principal, services }) => {
    const engine = engineOf({ first });
    const project = await namedInBody("project_id", () =>
      services.getProject(principal, parseId(PREFIX.project, project_id)),
    );
    const owner = principalIn(principal, project);
    const { wanted } = await deployed(services, owner, { field: "training_id", text: training_id, checkpoint });
    const request = { ...wanted, ...(typeof name === "string" ? { name } : {}) };
    const words = { model: "training_id", base_model: "training_id" };
    return fromDeployment(await inEngineWords(() => services.deployOn(owner, engine, request), words));
  },
});
