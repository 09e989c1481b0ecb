/** A line of progress around some work, ended whatever happens: an open bar hides the cursor and keeps the process alive. */
import { startProgress, type Progress } from "../progress";

export async function withProgress<T>(
  label: string,
  total: number,
  work: (progress: Progress) => Promise<{ result: T; summary: string }>,
): Promise<T> {
  const progress = startProgress(label, total);
  try {
    const { result, summary } = await work(progress);
    progress.done(summary);
    return result;
  } catch (error) {
    progress.done("failed");
    throw error;
  }
}
