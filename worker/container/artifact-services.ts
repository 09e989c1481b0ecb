/** Uploads, datasets and functions, bound to their ports. */
import type { Ports } from "./ports";
import * as functions from "../services/create-function";
import { datasetFromUpload } from "../services/dataset-from-upload";
import * as deletion from "../services/delete-record";
import type { Services } from "../services/services";
import * as datasets from "../services/upload-dataset";
import * as uploads from "../services/uploads";

export function artifactServices(p: Ports) {
  return {
    createUpload: (principal, upload) => uploads.createUpload(p, principal, upload),
    listUploads: (principal, page) => uploads.listUploads(p, principal, page),
    uploadStatus: (upload) => uploads.uploadStatus(p, upload),
    receiveUpload: (upload, sent) => uploads.receiveUpload(p, upload, sent),
    completeUpload: (upload, sha256) => uploads.completeUpload(p, upload, sha256),
    abortUpload: (upload) => uploads.abortUpload(p, upload),
    datasetFromUpload: (principal, request) => datasetFromUpload(p, principal, request),
    uploadDataset: (principal, upload) => datasets.uploadDataset(p, principal, upload),
    getDataset: (principal, id) => datasets.getDataset(p, principal, id),
    listDatasets: (principal, page, filter) => datasets.listDatasets(p, principal, page, filter),
    deleteDataset: (dataset) => deletion.deleteDataset(p, dataset),
    datasetDownload: (dataset, origin) => datasets.datasetDownload(p, dataset, origin),
    createFunction: (principal, fn) => functions.createFunction(p, principal, fn),
    getFunction: (principal, id) => functions.getFunction(p, principal, id),
    listFunctions: (principal, page) => functions.listFunctions(p, principal, page),
    deleteFunction: (fn) => deletion.deleteFunction(p, fn),
    listTestFunctions: (principal) => functions.listTestFunctions(p, principal),
    findTestFunction: (principal, name) => functions.findTestFunction(p, principal, name),
  } satisfies Partial<Services>;
}
