/** How near two embeddings are, by the measures of the contract. */
import type { EmbeddingsRequest } from "./inference-schema";

export interface Measures {
  cosine_score?: number;
  manhattan_distance?: number;
  euclidean_distance?: number;
}

export function compare(
  left: number[],
  right: number[],
  wanted: Pick<EmbeddingsRequest, "cosine" | "manhattan" | "euclidean">,
): Measures {
  const pairs = left.map((value, index): [number, number] => [value, right[index] ?? 0]);
  return {
    ...(wanted.cosine === false ? {} : { cosine_score: cosine(pairs) }),
    ...(wanted.manhattan === true ? { manhattan_distance: sum(pairs, ([a, b]) => Math.abs(a - b)) } : {}),
    ...(wanted.euclidean === true ? { euclidean_distance: Math.sqrt(sum(pairs, ([a, b]) => (a - b) ** 2)) } : {}),
  };
}

/** 0 where one of them has no direction. */
function cosine(pairs: [number, number][]): number {
  const lengths = Math.sqrt(sum(pairs, ([a]) => a * a) * sum(pairs, ([, b]) => b * b));
  return lengths === 0 ? 0 : sum(pairs, ([a, b]) => a * b) / lengths;
}

function sum(pairs: [number, number][], of: (pair: [number, number]) => number): number {
  return pairs.reduce((total, pair) => total + of(pair), 0);
}
