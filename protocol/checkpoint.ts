/** Checkpoints between agent and worker: begin, parts, commit, manifest (design/bytes.md). */
import { z } from "zod";

/** Parts of a checkpoint's files are this long but for the last: one code path for R2's equal-parts rule. */
export const CHECKPOINT_PART_BYTES = 64 * 1024 * 1024;

/** R2 takes at most 10,000 parts of an object. */
const fileSize = z
  .int()
  .min(0)
  .max(10_000 * CHECKPOINT_PART_BYTES);

/** `test` is what the test of the `epoch` or `final` checkpoint of the same step has shown. */
export const checkpointKind = z.enum(["epoch", "final", "resume", "test"]);
export type CheckpointKind = z.infer<typeof checkpointKind>;

/**
 * `model`, `adapter`, `tokenizer` (of an import) and `cache` (of a preprocess task) are one archive each; `resume` has one
 * entry for each of the trainer's own files; `results` is the one table of a test.
 */
export const artifactRole = z.enum(["model", "adapter", "resume", "results", "cache", "tokenizer"]);
export type ArtifactRole = z.infer<typeof artifactRole>;

export const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/);
export const md5Hex = z.string().regex(/^[0-9a-f]{32}$/);

/** A path inside a checkpoint: relative, forward slashes, no `..`, no empty segment. */
export const relativePath = z
  .string()
  .min(1)
  .max(500)
  .refine((path) => path.split("/").every((part) => part !== "" && part !== "." && part !== ".."), {
    message: "must be a relative path without empty, '.' or '..' segments",
  });

/** One file inside a stored-block archive, so that it can be served alone: where its bytes begin in the tar, and how many. */
export const archiveMember = z.object({
  path: relativePath,
  tar_offset: z.int().min(0),
  size: z.int().min(0),
});
export type ArchiveMember = z.infer<typeof archiveMember>;

export const checkpointFile = z.object({
  role: artifactRole,
  path: relativePath,
  size: fileSize,
  sha256: sha256Hex,
  /** For archives only: the files inside, in tar order. */
  members: z.array(archiveMember).max(10_000).optional(),
});
export type CheckpointFile = z.infer<typeof checkpointFile>;

/** Asks for uploads at fresh keys. Sizes are needed now; hashes come with the commit. */
export const beginCheckpointRequest = z.object({
  kind: checkpointKind,
  step: z.int().min(0),
  files: z
    .array(z.object({ role: artifactRole, path: relativePath, size: fileSize }))
    .min(1)
    .max(1000),
});
export type BeginCheckpointRequest = z.infer<typeof beginCheckpointRequest>;

/** Opaque to the agent: PUT the bytes of part n (1-based) to `url` with `headers` and Content-MD5. */
export const partUpload = z.object({
  number: z.int().min(1),
  size: z.int().min(0),
  url: z.string(),
  headers: z.record(z.string(), z.string()),
});

export const beginCheckpointResponse = z.object({
  checkpoint_id: z.string(),
  files: z.array(
    z.object({ path: relativePath, role: artifactRole, upload: z.string(), parts: z.array(partUpload).min(1) }),
  ),
});
export type BeginCheckpointResponse = z.infer<typeof beginCheckpointResponse>;

/** The answer to each part's PUT is `{etag}`, which the commit gives back. */
export const partReceipt = z.object({ etag: z.string() });

export const commitCheckpointRequest = z.object({
  checkpoint_id: z.string(),
  kind: checkpointKind,
  step: z.int().min(0),
  /** Epochs trained so far, as the trainer counts them. */
  epoch: z.number().min(0),
  world_size: z.int().min(1),
  torch_threads: z.int().min(1),
  versions: z.record(z.string(), z.string()),
  /** Of kind `test`: each function's mean. */
  results: z.record(z.string().max(250), z.number()).optional(),
  files: z
    .array(
      checkpointFile.extend({
        upload: z.string(),
        parts: z
          .array(z.object({ number: z.int().min(1), size: z.int().min(0), md5: md5Hex, etag: z.string() }))
          .min(1),
      }),
    )
    .min(1)
    .max(1000),
});
export type CommitCheckpointRequest = z.infer<typeof commitCheckpointRequest>;

export const commitCheckpointResponse = z.object({
  checkpoint_id: z.string(),
  /** Counts a job's epoch checkpoints from 1; null for resume checkpoints. */
  ordinal: z.int().min(1).nullable(),
});
export type CommitCheckpointResponse = z.infer<typeof commitCheckpointResponse>;

/** What is stored in R2 beside the files; its SHA-256 is in D1. */
export const checkpointManifest = z.object({
  version: z.literal(1),
  checkpoint_id: z.string(),
  job_id: z.string(),
  attempt: z.int().min(1),
  kind: checkpointKind,
  step: z.int().min(0),
  epoch: z.number().min(0),
  ordinal: z.int().min(1).nullable(),
  world_size: z.int().min(1),
  torch_threads: z.int().min(1),
  versions: z.record(z.string(), z.string()),
  files: z.array(checkpointFile.extend({ key: z.string(), part_md5s: z.array(md5Hex) })),
});
export type CheckpointManifest = z.infer<typeof checkpointManifest>;
