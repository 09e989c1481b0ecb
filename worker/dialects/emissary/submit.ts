/** From a request's body to the training job that it makes, the same for both techniques. */
import type { z } from "@hono/zod-openapi";
import type { Principal } from "../../domain/accounts";
import { invalid } from "../../domain/errors";
import type { Idempotency, JobRequest, Services } from "../../services/services";
import { baseOf, type Base } from "./base";
import type { CreateGrpoTrainingJob, CreateTrainingJob } from "./create-job-schema";
import { inEmissaryWords } from "./errors";
import type { trainingJob } from "./schema";
import { summaries } from "./summaries";

export interface SubmitCall<Body> {
  services: Services;
  body: Body;
  idempotency(): Promise<Idempotency | null>;
}

export async function submit<Body extends CreateTrainingJob | CreateGrpoTrainingJob>(
  { services, body, idempotency }: SubmitCall<Body>,
  owner: Principal,
  toSpec: (body: Body, base: Base, name: string) => JobRequest,
): Promise<z.input<typeof trainingJob>> {
  const base = await baseOf(services, owner, body);
  const request = toSpec(body, base, body.name ?? (await services.nextJobName(owner, "training-job")));
  if (!request.test) await checkNames(services, owner, body.test_functions ?? []);
  const sent = await idempotency();
  // The same key and body for another project is another request.
  const once = sent && { ...sent, route: `${sent.route} ${owner.projectId}` };
  const job = await inEmissaryWords(() => services.submitJob(owner, request, once), { base_model: base.field });
  const [summary] = await summaries(services, owner, [job]);
  if (!summary) throw new Error("a job has no summary");
  return summary;
}

/** Functions that nothing will call, since there is no test set, must exist all the same. */
async function checkNames(services: Services, owner: Principal, names: string[]): Promise<void> {
  const found = await Promise.all(names.map((name) => services.findTestFunction(owner, name)));
  const missing = names.find((_, index) => found[index] === null);
  if (missing !== undefined) {
    throw invalid("test_functions", `there is no testing function '${missing.slice(0, 100)}'`);
  }
}
