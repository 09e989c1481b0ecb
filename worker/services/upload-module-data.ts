/** The two files of a session, streamed one after the other: both are good, or nothing of them is kept. */
import type { DatasetRecord } from "../domain/artifacts";
import { DomainError } from "../domain/errors";
import type { DeletePorts } from "./delete-record";
import { deleteDataset } from "./delete-record";
import type { KeyedModuleCall, ModuleFile, ModuleView } from "./module-services";
import { changedMeanwhile, heldSession, inProjectOf, requireState, viewOf, type ModulePorts } from "./module-session";
import { uploadDataset, type DatasetPorts } from "./upload-dataset";

export const MODULE_FILES = ["train_file", "test_file"] as const;

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
    const [train, test] = MODULE_FILES.map((field) => present(made, field));
    const changes = { trainDatasetId: train?.id ?? null, testDatasetId: test?.id ?? null };
    if (!(await ports.moduleSessions.change(session, changes))) throw changedMeanwhile();
    const rows = `${rowsOf(train)} rows to train on, ${rowsOf(test)} to test on`;
    return viewOf(session, `the datasets are uploaded: ${rows}; next: POST /preprocess/{key}`);
  } catch (error) {
    await Promise.all([...made.values()].map((dataset) => deleteDataset(ports, dataset)));
    throw error;
  }
}

function present(made: ReadonlyMap<string, DatasetRecord>, field: string): DatasetRecord {
  const dataset = made.get(field);
  if (dataset) return dataset;
  const message = "is required: the form has no such file";
  const issue = { in: "body" as const, path: [field], code: "missing", message };
  throw new DomainError("invalid_request", message, { field, issues: [issue] });
}

/** What is wrong with its rows is said with the file's name. */
async function ofFile(field: string, work: () => Promise<DatasetRecord>): Promise<DatasetRecord> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DomainError) || error.code !== "invalid_request") throw error;
    const { line } = error.detail;
    throw new DomainError("invalid_request", `${field}: ${error.message}`, line === undefined ? {} : { line });
  }
}

function rowsOf(dataset: DatasetRecord | undefined): string {
  return String(dataset?.numRows ?? 0);
}
