/** A dataset that comes to a project: as a file of a form, or as an upload that came in pieces before. */
import type { Principal } from "../../domain/accounts";
import type { DatasetRecord } from "../../domain/artifacts";
import { DomainError, invalid } from "../../domain/errors";
import { parseId } from "../../domain/ids";
import { withUploadForm, type UploadForm } from "../../http/multipart";
import type { Services } from "../../services/services";
import { inEmissaryWords } from "./errors";
import { PREFIX } from "./schema";

/** As documented; 5 MB is taken as MiB, which no file of 5 MB is over. */
const MAX_FILE_BYTES = 5 * 1024 * 1024;
/** What a form adds to its file. */
const MAX_FORM_BYTES = MAX_FILE_BYTES + 64 * 1024;

const TOO_LARGE =
  "the file is over 5 MB; send it in pieces: POST /anneal/v1/uploads, PUT the pieces, POST …/complete, " +
  "and then its upload_id here in place of the file";

export interface NamedUpload {
  upload_id: string;
  name?: string | null | undefined;
}

export function receiveDataset(services: Services, owner: Principal) {
  return {
    named: (sent: NamedUpload) => inEmissaryWords(() => ofUpload(services, owner, sent)),
    form: (request: Request) =>
      inEmissaryWords(() =>
        sayingTheWay(() => withUploadForm(request, LIMITS, (form) => ofForm(services, owner, form))),
      ),
  };
}

const LIMITS = { fields: ["name", "upload_id"], fileField: "file", fileIsOptional: true, maxBytes: MAX_FORM_BYTES };

async function ofForm(services: Services, owner: Principal, form: UploadForm): Promise<DatasetRecord> {
  const name = () => form.optional("name") || undefined;
  if (!form.hasFile) {
    const uploadId = form.optional("upload_id");
    if (uploadId === undefined) throw invalid("file", "is required: the form has neither a file nor an upload_id");
    return ofUpload(services, owner, { upload_id: uploadId, name: name() });
  }
  if (form.optional("upload_id") !== undefined) throw invalid("upload_id", "is in place of a file, not beside it");
  const { chunks, fileName } = form;
  const upload = {
    get name() {
      return name();
    },
    ...{ chunks, fileName, maxBytes: MAX_FILE_BYTES },
  };
  return services.uploadDataset(owner, upload);
}

async function ofUpload(services: Services, owner: Principal, sent: NamedUpload): Promise<DatasetRecord> {
  const request = { uploadId: parseId(PREFIX.upload, sent.upload_id), name: sent.name ?? undefined };
  const dataset = await services.datasetFromUpload(owner, request);
  if (dataset.projectId === owner.projectId) return dataset;
  throw new DomainError("conflict", "is a dataset of another project already", { field: "upload_id" });
}

/** Whoever refuses the size, the way to send it is told. */
async function sayingTheWay<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DomainError && error.code === "payload_too_large") {
      throw new DomainError("payload_too_large", TOO_LARGE);
    }
    throw error;
  }
}
