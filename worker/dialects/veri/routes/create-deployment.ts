import { deployedModelField } from "../../../domain/deployed-model";
import { defineRoute } from "../../../http/define-route";
import { renamedFields } from "../../../http/renamed-fields";
import { fromDeployment, toDeployedModel } from "../deployment-map";
import { createDeploymentBody, deployment } from "../deployment-schema";

export const createDeployment = defineRoute({
  operationId: "veri.createDeployment",
  method: "post",
  path: "/v1/deployments",
  scope: "write",
  summary: "Serve a trained model, or one of Hugging Face",
  description: "It has GPUs of its own until it is stopped.",
  tags: ["deployments"],
  body: createDeploymentBody,
  answer: { description: "The deployment, on its way.", schema: deployment },
  errors: ["not_found", "conflict"],
  handler: async ({ body, principal, services }) => {
    const { name, model: modelText, gpu, provider } = body;
    const request = { name, model: toDeployedModel(body), modelText, origin: "veri" } as const;
    const engine = { gpu, provider: provider ?? null, management: { kind: "none" } } as const;
    const create = () => services.createDeployment(principal, request, engine);
    return fromDeployment(await renamedFields(deployedModelField, create), undefined);
  },
});
