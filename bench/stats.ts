/** Medians and percentiles of samples. */

/** The nearest-rank percentile, `share` from 0 to 1. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const found = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (found === undefined) throw new Error("there are no samples");
  return found;
}

export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const low = sorted[Math.floor((sorted.length - 1) / 2)];
  const high = sorted[Math.floor(sorted.length / 2)];
  if (low === undefined || high === undefined) throw new Error("there are no samples");
  return (low + high) / 2;
}

/** `p50 1.2, p99 3.4, n 100`. */
export function spread(samples: readonly number[], digits = 1): string {
  const show = (share: number): string => percentile(samples, share).toFixed(digits);
  return `p50 ${show(0.5)}, p99 ${show(0.99)}, n ${String(samples.length)}`;
}

/** How long `work` takes, in milliseconds, over `count` runs one after another. */
export async function sample(count: number, work: () => Promise<unknown>): Promise<number[]> {
  const samples: number[] = [];
  for (let run = 0; run < count; run += 1) {
    const startedAtMs = performance.now();
    await work();
    samples.push(performance.now() - startedAtMs);
  }
  return samples;
}
