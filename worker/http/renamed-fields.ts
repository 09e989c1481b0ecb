/** What the domain refuses, told in the words of a dialect that calls the field otherwise. */
import { DomainError } from "../domain/errors";

export async function renamedFields<T>(wordOf: (field: string) => string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DomainError) || error.detail.field === undefined) throw error;
    const { field } = error.detail;
    const ours = wordOf(field);
    const message = error.message.startsWith(field) ? ours + error.message.slice(field.length) : error.message;
    throw new DomainError(error.code, message, { ...error.detail, field: ours });
  }
}
