/** Datasets, functions and checkpoints as D1 has them. */
import type { CheckpointKind, DatasetFormat, FunctionFormat, Method } from "../../protocol";

/** Signed URLs live at most an hour (design/bytes.md). */
export const SIGNED_URL_TTL_MS = 60 * 60 * 1000;

/** Up to here a checkpoint's file is read back and hashed when it is committed; larger ones by a message afterwards. */
export const READ_BACK_MAX_BYTES = 64 * 1024 * 1024;

/** A message to read them that was sent this long ago is lost, or its consumer is: the sweep sends another. */
export const VERIFY_AGAIN_MS = 30 * 60_000;

/** The labels of a dataset and how often each comes; of binary data `positive` and `negative`. */
export interface LabelProfile {
  kind: "binary" | "multiclass" | "multilabel";
  counts: Record<string, number>;
}

export type FileKind = "jsonl" | "csv";

/** What a pass over all rows has shown beyond their format. */
export interface RowsProfile {
  fileKind: FileKind;
  /** For each method that takes this format: what is wrong with the first row that does not fit it, by its line. */
  misfits: Partial<Record<Method, string>>;
  /** Where rows have labels, and at most 1,000 of them. */
  labels?: LabelProfile;
}

export interface DatasetRecord {
  id: string;
  accountId: string;
  projectId: string;
  name: string;
  sourceType: "upload";
  format: DatasetFormat;
  columns: string[];
  numRows: number;
  sizeBytes: number;
  sha256: string;
  /** Where the bytes are, as they came. */
  r2Key: string;
  createdAtMs: number;
  /** As its sender called it; null where nobody said. */
  fileName: string | null;
  /** null for one that was stored before there were profiles. */
  profile: RowsProfile | null;
}

export interface FunctionRecord {
  id: string;
  accountId: string;
  projectId: string;
  name: string;
  format: FunctionFormat;
  sizeBytes: number;
  sha256: string;
  r2Key: string;
  createdAtMs: number;
}

export interface CheckpointRecord {
  id: string;
  jobId: string;
  accountId: string;
  attempt: number;
  kind: CheckpointKind;
  step: number;
  /** Epochs trained so far. */
  epoch: number;
  /** Counts a job's epoch checkpoints from 1; null for resume checkpoints and tests. */
  ordinal: number | null;
  manifestKey: string;
  manifestSha256: string;
  /** Of the one file that people fetch: `model.tar.gz`, or `results.jsonl` of kind `test`; null for resume checkpoints. */
  modelSha256: string | null;
  modelKey: string | null;
  modelSizeBytes: number | null;
  sizeBytes: number;
  /** `deleted`: a resume checkpoint whose files were dropped for newer ones. */
  state: "committed" | "bad" | "deleted";
  createdAtMs: number;
  /** Its large files are still to be read again, by a message that is due then; null when nothing is to be read. */
  verifyAfterMs: number | null;
  /** Of kind `test`: each function's mean. */
  results: Record<string, number> | null;
}
