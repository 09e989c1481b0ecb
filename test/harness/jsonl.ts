/** A dataset of any size, the same each time: rows of `prompt` and `completion` of uneven lengths. */

const WORDS =
  "the weights of a model are what its data and its seed made of them — nothing else, und ganz genau so".split(" ");

/** Row `n`, with its line end. */
export function row(n: number): string {
  const words = (seed: number, count: number): string =>
    Array.from({ length: count }, (_, i) => WORDS[(seed * 7 + i * (seed % 5) + i) % WORDS.length]).join(" ");
  return `${JSON.stringify({ prompt: words(n, 5 + (n % 40)), completion: words(n + 3, 20 + (n % 170)), n })}\n`;
}

/** Blocks of whole rows until at least `sizeBytes` have come. */
export function* jsonl(sizeBytes: number): Generator<Uint8Array> {
  const encoder = new TextEncoder();
  const ROWS_A_BLOCK = 2000;
  let made = 0;
  for (let n = 0; made < sizeBytes; n += ROWS_A_BLOCK) {
    const block = encoder.encode(Array.from({ length: ROWS_A_BLOCK }, (_, i) => row(n + i)).join(""));
    made += block.byteLength;
    yield block;
  }
}
