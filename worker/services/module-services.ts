/** The Training Module: one active session of an account, from its data to a trained model. */
import type { Principal } from "../domain/accounts";
import type { FilledModuleConfig } from "../domain/module-config";
import type { ImportState, ModuleConfig, ModuleSession, ModuleState, ModuleTaskType } from "../domain/module-sessions";
import type { FirstRead, FirstReadResult } from "../domain/ports";
import type { DownloadRequest } from "./download-blob";
import type { ArtifactUrl, EvalResults, TrainingInfo } from "./task-services";

/** Who calls, with the account's active session as the route's first read gave it. */
export interface ModuleCall {
  principal: Principal;
  session: ModuleSession | null;
}

/** With the key that the path has. Every service that takes one throws `not_found` when it is not the active session's. */
export interface KeyedModuleCall extends ModuleCall {
  key: string;
}

/** What every answer tells. */
export interface ModuleView {
  state: ModuleState;
  importState: ImportState;
  /** What has become of the session, or of what was asked, and what is next. */
  message: string;
}

export interface ModuleParameters extends ModuleView {
  key: string;
  config: FilledModuleConfig;
}

/** null: back to the default. What is absent stays as it is. */
export type ModuleConfigChanges = {
  [K in Exclude<keyof ModuleConfig, "importedTaskType">]?: ModuleConfig[K] | null;
};

export interface ModuleFile {
  field: string;
  fileName: string | undefined;
  chunks: AsyncIterable<Uint8Array>;
}

/** Calls in the wrong state throw `conflict` with the state and what would be right. */
export interface ModuleServices {
  /** The deployment's one account, for whoever may come without a key. Throws `forbidden` when there is not exactly one. */
  authenticateOpen(read: FirstRead): Promise<{ principal: Principal; first: FirstReadResult }>;

  /** `force` cancels what the active session runs and ends it. Of several at once exactly one gets a session. */
  startModuleSession(call: ModuleCall, force: boolean): Promise<ModuleView & { key: string }>;
  moduleStatus(call: ModuleCall, about: "session" | "import"): ModuleView;
  /** Throws `not_found` when there is no session. */
  moduleParameters(call: ModuleCall): Promise<ModuleParameters>;
  configureModule(call: KeyedModuleCall, changes: ModuleConfigChanges): Promise<ModuleParameters>;
  /** Streams `train_file` and `test_file`, in whatever order; nothing is kept unless both are good. */
  uploadModuleData(call: KeyedModuleCall, files: AsyncIterable<ModuleFile>, maxBytes: number): Promise<ModuleView>;
  /** As `uploadModuleData`, of two uploads in pieces; null: an id of another form. */
  moduleDataFromUploads(
    call: KeyedModuleCall,
    uploads: { train: string | null; test: string | null },
  ): Promise<ModuleView>;
  preprocessModule(call: KeyedModuleCall): Promise<ModuleView>;
  startModuleTraining(call: KeyedModuleCall): Promise<ModuleView>;
  /** `force` ends the session too, in whatever state. */
  stopModuleTraining(call: KeyedModuleCall, force: boolean): Promise<ModuleView>;
  /** `info` is null until a trainer has told anything. */
  monitorModule(call: KeyedModuleCall): Promise<ModuleView & { info: TrainingInfo | null }>;
  moduleReady(call: KeyedModuleCall): Promise<ModuleView & { ready: boolean }>;
  downloadModuleModel(call: KeyedModuleCall, request: DownloadRequest): Promise<Response>;
  moduleResults(call: KeyedModuleCall): Promise<EvalResults>;
  importModuleModel(call: KeyedModuleCall, model: { name: string; taskType: ModuleTaskType }): Promise<ModuleView>;
  downloadImportedModel(call: KeyedModuleCall, role: ImportedRole, request: DownloadRequest): Promise<Response>;
  importedModelUrl(
    call: KeyedModuleCall,
    role: ImportedRole,
    origin: string,
  ): Promise<ModuleView & { path: string; file: ArtifactUrl }>;
}

export type ImportedRole = "model" | "tokenizer";
