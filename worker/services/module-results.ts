/** What a session shows while it trains, and what it leaves. */
import { DomainError } from "../domain/errors";
import { importMessage, importState } from "../domain/module-state";
import type { JobDoors, JobStore } from "../domain/ports";
import type { DownloadRequest } from "./download-blob";
import { artifactResponse, artifactUrl, type ArtifactPorts } from "./final-artifact";
import type { ImportedRole, KeyedModuleCall, ModuleView } from "./module-services";
import { heldSession, jobOf, requireState, viewOf, type ModulePorts } from "./module-session";
import { evalResults, trainingInfo } from "./task-results";
import type { ArtifactUrl, EvalResults, TrainingInfo } from "./task-services";

export interface ResultPorts extends ModulePorts, ArtifactPorts {
  jobs: JobStore;
  doors: JobDoors;
}

export async function monitorModule(
  ports: ResultPorts,
  call: KeyedModuleCall,
): Promise<ModuleView & { info: TrainingInfo | null }> {
  const session = await heldSession(ports, call);
  const info = session.train ? await trainingInfo(ports, await jobOf(ports, session, session.trainJobId)) : null;
  return { ...viewOf(session), info };
}

export async function moduleReady(ports: ResultPorts, call: KeyedModuleCall): Promise<ModuleView & { ready: boolean }> {
  const session = await heldSession(ports, call);
  const view = viewOf(session);
  return { ...view, ready: view.state === "trained" };
}

export async function downloadModuleModel(
  ports: ResultPorts,
  call: KeyedModuleCall,
  request: DownloadRequest,
): Promise<Response> {
  const session = await heldSession(ports, call);
  requireState("download", session);
  const job = await jobOf(ports, session, session.trainJobId);
  return artifactResponse(ports, job, "model", "model.tar.gz", request);
}

export async function moduleResults(ports: ResultPorts, call: KeyedModuleCall): Promise<EvalResults> {
  const session = await heldSession(ports, call);
  requireState("download", session);
  return evalResults(ports, await jobOf(ports, session, session.trainJobId));
}

export async function downloadImportedModel(
  ports: ResultPorts,
  call: KeyedModuleCall,
  role: ImportedRole,
  request: DownloadRequest,
): Promise<Response> {
  const { job } = await importedJob(ports, call);
  return artifactResponse(ports, job, role, `${role}.tar.gz`, request);
}

export async function importedModelUrl(
  ports: ResultPorts,
  call: KeyedModuleCall,
  role: ImportedRole,
  origin: string,
): Promise<ModuleView & { path: string; file: ArtifactUrl }> {
  const { session, job } = await importedJob(ports, call);
  const filename = `${role}.tar.gz`;
  const file = await artifactUrl(ports, job, role, filename, origin);
  return { ...viewOf(session, importMessage(session.import)), path: `job_${job.id}/${filename}`, file };
}

async function importedJob(ports: ResultPorts, call: KeyedModuleCall) {
  const session = await heldSession(ports, call);
  if (importState(session.import) !== "imported") {
    const state = `the import is in state '${importState(session.import)}'`;
    throw new DomainError("conflict", `${state}, and not 'imported': ${importMessage(session.import)}`);
  }
  return { session, job: await jobOf(ports, session, session.importJobId) };
}
