/** A stream in large pieces: a turn of JavaScript for every packet of the network costs more than what is done with it. */

const CHUNK_BYTES = 256 * 1024;

/** Each is good until the next one is asked for; that one is read in the meantime. */
export async function* largeChunks(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = stream.getReader({ mode: "byob" });
  let spare = new Uint8Array(CHUNK_BYTES);
  let coming = reader.readAtLeast(CHUNK_BYTES, new Uint8Array(CHUNK_BYTES));
  try {
    for (;;) {
      const { done, value } = await coming;
      if (done) return;
      coming = reader.readAtLeast(CHUNK_BYTES, spare);
      yield value;
      spare = new Uint8Array(value.buffer as ArrayBuffer);
    }
  } finally {
    // Whoever stops in the middle wants no more; a stream that broke has told so above.
    coming.catch(() => null);
    await reader.cancel().catch(() => null);
  }
}
