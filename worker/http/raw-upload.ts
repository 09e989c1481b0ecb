/** A file that is the whole body of a request, for those who need no form. */
import { limitedBody } from "./body-limit";

/**
 * Hands the body's chunks to `use`. A client that is still sending reads no answer, so what `use` has left of the body, up
 * to its limit, is read and dropped.
 */
export async function withRawUpload<T>(
  request: Request,
  maxBytes: number,
  use: (chunks: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T> {
  const body = limitedBody(request, maxBytes);
  try {
    return await use(pulled(body));
  } finally {
    while (!(await body.next()).done) continue;
  }
}

/** Whoever stops reading this leaves `body` open. */
async function* pulled(body: AsyncGenerator<Uint8Array, void, undefined>): AsyncGenerator<Uint8Array, void, undefined> {
  for (let next = await body.next(); !next.done; next = await body.next()) yield next.value;
}
