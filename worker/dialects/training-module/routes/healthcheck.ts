import { defineRoute } from "../../../http/define-route";
import { moduleStatus } from "../schema";

export const healthcheckRoute = defineRoute({
  operationId: "trainingModule.healthcheck",
  method: "get",
  path: "/healthcheck",
  summary: "Ask whether the API serves",
  description: "For whoever asks: no account is looked at, so that `status` and `import_status` are always none.",
  tags: ["Health"],
  isPublic: true,
  answer: { description: "It serves.", schema: moduleStatus },
  handler: () => Promise.resolve({ status: "none" as const, message: "ok", import_status: "none" as const }),
});
