/** The Training Module's sessions, bound to their ports. */
import type { Ports } from "./ports";
import * as moduleConfig from "../services/configure-module";
import { importModuleModel } from "../services/import-module-model";
import * as moduleResults from "../services/module-results";
import type { ModuleServices } from "../services/module-services";
import { moduleStatus } from "../services/module-session";
import * as moduleTasks from "../services/module-tasks";
import { authenticateOpen } from "../services/open-account";
import { startModuleSession } from "../services/start-module-session";
import { moduleDataFromUploads, uploadModuleData } from "../services/upload-module-data";

export function moduleServices(p: Ports): ModuleServices {
  return {
    authenticateOpen: (read) => authenticateOpen(p, read),
    startModuleSession: (call, force) => startModuleSession(p, call, force),
    moduleStatus: (call, about) => moduleStatus(call, about),
    moduleParameters: (call) => moduleConfig.moduleParameters(p, call),
    configureModule: (call, changes) => moduleConfig.configureModule(p, call, changes),
    uploadModuleData: (call, files, maxBytes) => uploadModuleData(p, call, files, maxBytes),
    moduleDataFromUploads: (call, uploads) => moduleDataFromUploads(p, call, uploads),
    preprocessModule: (call) => moduleTasks.preprocessModule(p, call),
    startModuleTraining: (call) => moduleTasks.startModuleTraining(p, call),
    stopModuleTraining: (call, force) => moduleTasks.stopModuleTraining(p, call, force),
    importModuleModel: (call, model) => importModuleModel(p, call, model),
    monitorModule: (call) => moduleResults.monitorModule(p, call),
    moduleReady: (call) => moduleResults.moduleReady(p, call),
    downloadModuleModel: (call, request) => moduleResults.downloadModuleModel(p, call, request),
    moduleResults: (call) => moduleResults.moduleResults(p, call),
    downloadImportedModel: (call, role, request) => moduleResults.downloadImportedModel(p, call, role, request),
    importedModelUrl: (call, role, origin) => moduleResults.importedModelUrl(p, call, role, origin),
  };
}
