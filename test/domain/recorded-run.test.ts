import { expect, it } from "vitest";
import { recordedRun, type Answered } from "../../worker/domain/recorded-run";

const CALL = {
  principal: { accountId: "a", projectId: "p", keyId: "k" },
  store: { interaction: "Sums", environmentId: null, tags: [] },
  ...{ endpoint: "chat" as const, model: "sums" },
};
const ANSWERED: Answered = {
  ...{ output: "5", outputIsCut: false, finishReason: "stop", usage: null, error: null },
  ...{ startedAtMs: 1, endedAtMs: 2 },
};

const recorded = (prompt: string, answered: Partial<Answered>) =>
  recordedRun("r", { ...CALL, body: { messages: [{ role: "user", content: prompt }] } }, { ...ANSWERED, ...answered });

it("is something to learn from only when prompt and answer are whole", () => {
  expect(recorded("2 + 3 =", {})).toMatchObject({ status: "completed", hasResult: true });
  expect(recorded("2 + 3 =", { outputIsCut: true })).toMatchObject({ status: "completed", hasResult: false });
  expect(recorded("2 + 3 =", { output: "5", error: "broke off" })).toMatchObject({
    status: "failed",
    hasResult: false,
  });
  expect(recorded("2 + 3 =", { output: null })).toMatchObject({ hasResult: false, body: { result: [] } });
  expect(recorded("x".repeat(300_000), {})).toMatchObject({
    hasResult: false,
    body: { source: { prompt_is_cut: true } },
  });
});

it("fits into a row of the database, whatever was asked and answered", () => {
  const run = recorded("\u0000".repeat(1_000_000), { output: "\u0000".repeat(1_000_000) });
  expect(run).toMatchObject({ hasResult: false, body: { source: { prompt_is_cut: true, result_is_cut: true } } });
  expect(new TextEncoder().encode(JSON.stringify(run.body)).byteLength).toBeLessThan(1_900_000);
});
