/** A job's numbered checkpoints with what their tests have shown, as signed URLs. */
import type { CheckpointRecord } from "../domain/artifacts";
import type { JobRecord } from "../domain/job";
import type { CheckpointStore, UrlSigner } from "../domain/ports";
import type { TestedCheckpoint } from "./services";

const MODEL_ARCHIVE = "model.tar.gz";
const RESULTS_TABLE = "results.jsonl";

/** In the order of their ordinals; one that proved bad is left out. */
export async function testedCheckpoints(
  { checkpoints, urls }: { checkpoints: CheckpointStore; urls: UrlSigner },
  job: JobRecord,
  origin: string,
): Promise<TestedCheckpoint[]> {
  const [models, tests] = await Promise.all([checkpoints.withOrdinals(job.id), checkpoints.tests(job.id)]);
  const testOfStep = new Map(tests.map((test) => [test.step, test]));
  const sign = ({ accountId, modelKey, modelSizeBytes, modelSha256 }: CheckpointRecord, filename: string) => {
    const stored = { key: modelKey ?? "", sizeBytes: modelSizeBytes ?? 0, sha256: modelSha256 ?? "" };
    return urls.download({ ...stored, filename, accountId }, origin);
  };
  const committed = models.filter(({ state }) => state === "committed");
  return Promise.all(
    committed.map(async (checkpoint) => {
      const test = testOfStep.get(checkpoint.step);
      return {
        checkpoint,
        modelUrl: await sign(checkpoint, MODEL_ARCHIVE),
        test: test ? { resultsUrl: await sign(test, RESULTS_TABLE), results: test.results ?? {} } : null,
      };
    }),
  );
}
