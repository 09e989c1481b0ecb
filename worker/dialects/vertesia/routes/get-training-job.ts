import { z } from "@hono/zod-openapi";
import { defineRoute } from "../../../http/define-route";
import { jobOf, readJob } from "../first-read";
import { idParams, queryFlag } from "../schema";
import { fromJob } from "../training-map";
import { trainingJob } from "../training-schema";

export const getTrainingJob = defineRoute({
  operationId: "vertesia.getTrainingJob",
  method: "get",
  path: "/api/v1/training/job/{id}",
  summary: "Get Training Job",
  description:
    "With `sync=true` the answer waits for the job's end, 50 seconds at most, and is the job as it then is. Jobs that were " +
    "made through other APIs are found too.",
  tags: ["Training"],
  scope: "read",
  params: idParams,
  query: z.object({ sync: queryFlag }),
  firstRead: readJob,
  answer: { description: "The job.", schema: trainingJob },
  handler: async (call) => {
    const job = jobOf(call);
    return fromJob(call.query.sync === true ? await call.services.jobAtItsEnd(job) : job);
  },
});
