/** Makes a task of a request: everything that can be known to be wrong is refused here, before any host is used. */
import type { Principal } from "../domain/accounts";
import type { JobRecord } from "../domain/job";
import { createJob, earlierAnswer, type CreatePorts } from "./create-job";
import { importSpec, trainingSpec, type SpecPorts } from "./job-spec";
import { checkPreprocessed } from "./preprocessed-data";
import type { Idempotency, JobRequest } from "./services";

export async function submitJob(
  ports: SpecPorts & CreatePorts,
  principal: Principal,
  request: JobRequest,
  idempotency: Idempotency | null,
): Promise<JobRecord> {
  const earlier = idempotency ? await earlierAnswer(ports, principal.accountId, idempotency) : null;
  if (earlier) return earlier;
  const { accountId, projectId } = principal;
  const { kind = "train", preprocessedBy } = request;
  const spec = await (kind === "import" ? importSpec(ports, request) : trainingSpec(ports, principal, request));
  if (preprocessedBy !== undefined) await checkPreprocessed(ports, principal, preprocessedBy, spec);
  const origin = { accountId, projectId, kind, spec, baseModel: request.baseModel, retryOf: null, startJobId: null };
  return createJob(ports, origin, idempotency);
}
