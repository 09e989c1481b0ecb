/** What `npm test` counts must be what ran: a broken file or a crash outside of tests is never a pass. */
import { describe, expect, it } from "vitest";
import { countJunit, countVitest } from "../../scripts/checks/stage";

const report = (over: object): string =>
  JSON.stringify({
    numPassedTests: 3,
    numFailedTests: 0,
    numPendingTests: 1,
    numTodoTests: 0,
    testResults: [{ status: "passed", assertionResults: [{ status: "passed" }] }],
    ...over,
  });

describe("vitest's report", () => {
  it("counts passed and skipped tests", () => {
    expect(countVitest(report({}), 0)).toEqual({ passed: 3, failed: 0, skipped: 1 });
  });

  it("counts a file that could not be loaded as a failure", () => {
    const text = report({ testResults: [{ status: "failed", assertionResults: [] }] });
    expect(countVitest(text, 1)).toEqual({ passed: 3, failed: 1, skipped: 1 });
  });

  it("does not count a failed file twice", () => {
    const text = report({
      numFailedTests: 2,
      testResults: [{ status: "failed", assertionResults: [{ status: "failed" }, { status: "failed" }] }],
    });
    expect(countVitest(text, 1).failed).toBe(2);
  });

  it("counts an error outside of tests", () => {
    expect(countVitest(report({}), 1).failed).toBe(1);
  });
});

describe("pytest's report", () => {
  const xml = (attributes: string): string =>
    `<?xml version="1.0"?><testsuites><testsuite name="pytest" ${attributes}>`;

  it("takes failures, errors and skipped from all", () => {
    expect(countJunit(xml('errors="1" failures="2" skipped="3" tests="10" time="1.0"'), 1)).toEqual({
      passed: 4,
      failed: 3,
      skipped: 3,
    });
  });

  it("counts a run that collected nothing as a failure", () => {
    expect(countJunit(xml('errors="0" failures="0" skipped="0" tests="0"'), 5).failed).toBe(1);
  });
});
