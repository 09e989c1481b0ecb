/** The two files of a session, streamed one after the other: both are good, or nothing of them is kept. */
import type { DatasetRecord } from "../domain/artifacts";
import { DomainError } from "../domain/errors";
import type { ModuleSession } from "../domain/module-sessions";
import { datasetFromUpload, type DatasetFromUploadPorts } from "./dataset-from-upload";
import type { DeletePorts } from "./delete-record";
import { deleteDataset } from "./delete-record";
import type { KeyedModuleCall, ModuleFile, ModuleView } from "./module-services";
import { changedMeanwhile, heldSession, inProjectOf, requireState, viewOf, type ModulePorts } from "./module-session";
import { uploadDataset, type DatasetPorts } from "./upload-dataset";

const FILE_FIELDS = ["train_file", "test_file"] as const;

export async function uploadModuleData(
  ports: ModulePorts & DatasetPorts & DeletePorts,
  call: KeyedModuleCall,
  files: AsyncIterable<ModuleFile>,
  maxBytes: number,
): Promise<ModuleView> {
  const session = await heldSession(ports, call);
  requireState("upload", session);
  const principal = inProjectOf(session, call.principal);
  const made = new Map<string, DatasetRecord>();
  try {
    for await (const { field, fileName, chunks } of files) {
      const upload = { name: fileName === undefined ? field : undefined, fileName, chunks, maxBytes };
      made.set(field, await ofFile(field, () => uploadDataset(ports, principal, upload)));
    }
    return await kept(ports, session, present(made));
  } catch (error) {
    await Promise.all([...made.values()].map((dataset) => deleteDataset(ports, dataset)));
    throw error;
  }
}

/** What was uploaded in pieces stays, whatever becomes of this. */
export async function moduleDataFromUploads(
  ports: ModulePorts & DatasetFromUploadPorts,
  call: KeyedModuleCall,
  uploads: { train: string | null; test: string | null },
): Promise<ModuleView> {
  const session = await heldSession(ports, call);
  requireState("upload", session);
  const principal = inProjectOf(session, call.principal);
  const dataset = (field: string, uploadId: string | null) =>
    ofFile(field, () => datasetFromUpload(ports, principal, { uploadId, name: undefined }));
  const train = await dataset("train_upload_id", uploads.train);
  return kept(ports, session, { train, test: await dataset("test_upload_id", uploads.test) });
}

async function kept(
  ports: ModulePorts,
  session: ModuleSession,
  { train, test }: { train: DatasetRecord; test: DatasetRecord },
): Promise<ModuleView> {
  const changes = { trainDatasetId: train.id, testDatasetId: test.id };
  if (!(await ports.moduleSessions.change(session, changes))) throw changedMeanwhile();
  const rows = `${String(train.numRows)} rows to train on, ${String(test.numRows)} to test on`;
  return viewOf({ ...session, ...changes }, `the datasets are uploaded: ${rows}; next: POST /preprocess/{key}`);
}

function present(made: ReadonlyMap<string, DatasetRecord>): { train: DatasetRecord; test: DatasetRecord } {
  const [train, test] = [made.get("train_file"), made.get("test_file")];
  if (train && test) return { train, test };
  const message = "is required: the form has no such file";
  const issues = FILE_FIELDS.filter((field) => !made.has(field)).map((field) => {
    return { in: "body" as const, path: [field], code: "missing", message };
  });
  throw new DomainError("invalid_request", message, { issues });
}

/** What is wrong with its rows is said with the file's name. */
async function ofFile(field: string, work: () => Promise<DatasetRecord>): Promise<DatasetRecord> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DomainError) || !["invalid_request", "not_found"].includes(error.code)) throw error;
    // Of the form's other parts.
    if (error.detail.issues) throw error;
    const { line, field: at } = error.detail;
    const what = at === "name" ? "the file's name " : "";
    throw new DomainError("invalid_request", `${field}: ${what}${error.message}`, line === undefined ? {} : { line });
  }
}
