/**
 * Where a tar's bytes are inside our `model.tar.gz`: the gzip has stored blocks only, each with 65,535 bytes of data after
 * a 5-byte header, behind a 10-byte gzip header. So one file of an archive can be served alone, with Range, by
 * arithmetic. The agent's packer writes this layout (agent/src/pack-model.ts) and its tests prove the sum.
 */
const GZIP_HEADER_BYTES = 10;
const BLOCK_HEADER_BYTES = 5;
const BLOCK_DATA_BYTES = 65_535;

/** The position in the gzip of the tar's byte at `tarOffset`. */
export function gzipOffset(tarOffset: number): number {
  return GZIP_HEADER_BYTES + tarOffset + BLOCK_HEADER_BYTES * (Math.floor(tarOffset / BLOCK_DATA_BYTES) + 1);
}

/** The slice of the gzip that holds `length` bytes of the tar from `tarOffset`; `length` is at least 1. */
export function gzipSlice(tarOffset: number, length: number): { offset: number; length: number } {
  const offset = gzipOffset(tarOffset);
  return { offset, length: gzipOffset(tarOffset + length - 1) + 1 - offset };
}

/** Takes the block headers out of such a slice as it streams by. */
export function withoutBlockHeaders(tarOffset: number): TransformStream<Uint8Array, Uint8Array> {
  let dataLeft = BLOCK_DATA_BYTES - (tarOffset % BLOCK_DATA_BYTES);
  let headerLeft = 0;
  return new TransformStream({
    transform(chunk, controller) {
      let rest = chunk;
      while (rest.byteLength > 0) {
        const skipped = Math.min(headerLeft, rest.byteLength);
        headerLeft -= skipped;
        rest = rest.subarray(skipped);
        const data = rest.subarray(0, headerLeft > 0 ? 0 : dataLeft);
        if (data.byteLength > 0) controller.enqueue(data);
        dataLeft -= data.byteLength;
        rest = rest.subarray(data.byteLength);
        if (dataLeft === 0) {
          dataLeft = BLOCK_DATA_BYTES;
          headerLeft = BLOCK_HEADER_BYTES;
        }
      }
    },
  });
}
