/** One of many things to be done that are done again later: one that cannot be done today does not keep the others. */
import { loggable } from "../domain/errors";

export async function attempted(what: string, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    console.error("an orphan was not swept; it is tried again", what, loggable(error));
  }
}
