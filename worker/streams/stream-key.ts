/** Keys of a stream's files in R2: below the job, with the digest of what is in them, so that one key has one content. */

/** `streams/<job>/<name>-<first 16 hex digits of the SHA-256>.ndjson` */
export async function streamKey(jobId: string, name: string, bytes: Uint8Array): Promise<string> {
  const digest = Buffer.from(await crypto.subtle.digest("SHA-256", bytes));
  return `streams/${jobId}/${name}-${digest.toString("hex", 0, 8)}.ndjson`;
}
