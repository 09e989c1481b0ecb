/** `ok` of the demo is computed from what was measured, never assumed. */
import { describe, expect, it } from "vitest";
import { faults, jobReport, type Facts } from "../../scripts/demo/report";

const HASH = "a".repeat(64);

function facts(over: Partial<Facts>): Facts {
  return {
    id: "job_1",
    method: "sft_text",
    seconds: 1.23456,
    loss: { steps: 100, first: 3, last: 1 },
    reward: { steps: 100, first: null, last: null },
    model: { dir: "", sha256: HASH, committedSha256: HASH },
    ...over,
  };
}

const grpo = (first: number, last: number): Facts => facts({ method: "grpo", reward: { steps: 100, first, last } });

describe("faults", () => {
  it("has none for a job that learned and whose bytes are those committed", () => {
    expect(faults(facts({}))).toEqual([]);
    expect(faults(grpo(0.5, 0.71))).toEqual([]);
  });

  it.each([
    ["a loss not down by half", facts({ loss: { steps: 100, first: 3, last: 1.51 } }), /not down by half/],
    ["no loss at all", facts({ loss: { steps: 0, first: null, last: null } }), /not down by half/],
    ["a reward that rose too little", grpo(0.5, 0.69), /not up by 0.2/],
    ["another file", facts({ model: { dir: "", sha256: "b".repeat(64), committedSha256: HASH } }), /SHA-256/],
    ["nothing committed", facts({ model: { dir: "", sha256: HASH, committedSha256: null } }), /SHA-256/],
  ])("names %s", (_, given, sentence) => {
    expect(faults(given)).toHaveLength(1);
    expect(faults(given)[0]).toMatch(sentence);
  });
});

describe("jobReport", () => {
  it("has exactly the keys of the operations contract, with nulls where a method has no reward", () => {
    expect(jobReport(facts({}))).toEqual({
      id: "job_1",
      method: "sft_text",
      steps: 100,
      first_loss: 3,
      last_loss: 1,
      first_reward: null,
      last_reward: null,
      seconds: 1.2346,
      checkpoint_sha256: HASH,
    });
  });
});
