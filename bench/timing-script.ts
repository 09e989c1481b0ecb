/** The dataset that tells the timing trainer (trainers/anneal_trainer) what to do. */

export function timingScript(script: { steps: number; mean_ms: number }): object[] {
  return [{ prompt: "script", completion: JSON.stringify(script) }];
}
