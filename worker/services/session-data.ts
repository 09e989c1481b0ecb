/** What a session is trained on: where it is, and which it is. */
import { actorOf, type Principal } from "../domain/accounts";
import type { DatasetRecord } from "../domain/artifacts";
import { invalid, notFound } from "../domain/errors";
import type { Clock, DatasetStore, TrainingSessionStore, UrlSigner } from "../domain/ports";
import type { TrainingSession } from "../domain/training-sessions";
import type { UploadStore } from "../domain/upload-ports";
import type { DatasetName } from "./training-services";
import { cannotChange } from "./training-sessions";
import { datasetDownload } from "./upload-dataset";

export interface SessionDataPorts {
  trainingSessions: TrainingSessionStore;
  datasets: DatasetStore;
  uploads: UploadStore;
  urls: UrlSigner;
  clock: Clock;
}

export async function sessionDataUrl(
  ports: SessionDataPorts,
  { accountId, datasetId }: TrainingSession,
  origin: string,
): Promise<string> {
  if (datasetId === null) throw notFound("the session's data");
  const dataset = await ports.datasets.get(accountId, datasetId);
  if (dataset) return (await datasetDownload(ports, dataset, origin)).url;
  // An upload that holds no rows is kept for whoever wants to see what is wrong with it.
  const upload = await ports.uploads.get(accountId, datasetId);
  if (upload?.state !== "completed") throw notFound("the session's data");
  const { r2Key: key, sizeBytes, sha256, filename } = upload;
  return ports.urls.download({ key, sizeBytes: sizeBytes ?? 0, sha256: sha256 ?? "", accountId, filename }, origin);
}

export async function chooseSessionDataset(
  ports: SessionDataPorts,
  principal: Principal,
  session: TrainingSession,
  name: DatasetName,
): Promise<DatasetRecord> {
  const dataset = await chosen(ports.datasets, principal, session, name);
  const { trainingSessions, clock } = ports;
  if (!(await trainingSessions.setDataset(session.id, dataset.id, clock.nowMs(), actorOf(principal)))) {
    throw await cannotChange(ports, session);
  }
  return dataset;
}

async function chosen(
  datasets: DatasetStore,
  { accountId, projectId }: Principal,
  { builtDatasetId }: TrainingSession,
  name: DatasetName,
): Promise<DatasetRecord> {
  if (name === "default") {
    const built = builtDatasetId === null ? null : await datasets.get(accountId, builtDatasetId);
    if (!built) throw invalid("dataset", "'default' is what build makes, and there is none: build it first");
    return built;
  }
  const found =
    "id" in name ? await datasets.get(accountId, name.id) : await datasets.newestNamed(accountId, projectId, name.name);
  if (!found) throw invalid("dataset", "is not a dataset of this project");
  return found;
}
