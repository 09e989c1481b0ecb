import { z } from "@hono/zod-openapi";
import { defineRoute } from "../../../http/define-route";
import { readJson } from "../../../http/json-body";
import { fromDataset } from "../map";
import { principalIn, projectOf, readProject } from "../records";
import { dataset, projectParams, text } from "../schema";
import { receiveDataset } from "../receive-dataset";

const fromUpload = z.strictObject({ upload_id: z.string(), name: text.nullish() });

export const createDataset = defineRoute({
  operationId: "emissary.createDataset",
  method: "post",
  path: "/v1/projects/{project_id}/datasets",
  scope: "write",
  summary: "Upload dataset",
  description:
    "CSV or JSON Lines, up to 5 MB. A larger file is sent in pieces (`/anneal/v1/uploads`), and then its `upload_id` comes " +
    "here in place of the file, in a form or as JSON. The name is the file's by default.",
  tags: ["Datasets"],
  params: projectParams,
  firstRead: readProject,
  form: z.object({
    file: z.string().optional().openapi({ format: "binary" }),
    name: z.string().optional(),
    upload_id: z.string().optional().openapi({ description: "In place of `file`: a completed upload." }),
  }),
  answer: { status: 201, description: "The dataset", schema: dataset },
  errors: ["conflict"],
  handler: async ({ first, request, principal, services }) => {
    const owner = principalIn(principal, projectOf({ first }));
    const isJson = (request.headers.get("content-type") ?? "").toLowerCase().startsWith("application/json");
    const received = receiveDataset(services, owner);
    return fromDataset(await (isJson ? received.named(await readJson(request, fromUpload)) : received.form(request)));
  },
});
