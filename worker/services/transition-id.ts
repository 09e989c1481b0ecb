/** A transition's id is made of what it is, so that every retry of it has the same one and gets the first answer. */
export async function transitionId(jobId: string, command: string, key: string): Promise<string> {
  const bytes = new TextEncoder().encode(`${jobId}\n${command}\n${key}`);
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return Array.from(new Uint8Array(digest).subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
