import { defineRoute } from "../../../http/define-route";
import { readSession, sessionOf } from "../first-read";
import { idParams } from "../schema";
import { toDatasetName } from "../training-map";
import { datasetUrl, setDataset as body } from "../training-schema";

export const setDataset = defineRoute({
  operationId: "vertesia.setDataset",
  method: "post",
  path: "/api/v1/training/{id}/dataset",
  summary: "Set Training Dataset",
  tags: ["Training"],
  scope: "write",
  params: idParams,
  firstRead: readSession,
  body,
  answer: { description: "Where the data is.", schema: datasetUrl },
  errors: ["conflict"],
  handler: async (call) => {
    const name = toDatasetName(call.body.dataset);
    const dataset = await call.services.chooseSessionDataset(call.principal, sessionOf(call), name);
    return { dataset: (await call.services.datasetDownload(dataset, call.origin)).url };
  },
});
