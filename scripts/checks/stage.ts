/** A stage of `npm test`: what it runs and how its result is counted. */
import { mkdirSync, readFileSync, rmSync, existsSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { bin, quietWranglerEnv, root } from "../env";
import { run } from "../processes";

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

export interface Stage {
  name: string;
  /** Left out by `npm test -- quick`: takes a minute or more. */
  isSlow: boolean;
  run(): Promise<Counts>;
}

export const reportDir = path.join(root, ".wrangler", "test-reports");

/** A command that counts as one check. Its output is shown only when it fails. */
export function checkStage(name: string, command: string, args: string[]): Stage {
  return {
    name,
    isSlow: false,
    async run() {
      const outcome = await run(command, args, { env: wranglerEnv() });
      if (outcome.code === 0) return { passed: 1, failed: 0, skipped: 0 };
      process.stdout.write(`${outcome.stdout}${outcome.stderr}`);
      return { passed: 0, failed: 1, skipped: 0 };
    },
  };
}

/** A script of this folder's parent, run as its own process. */
export function scriptStage(name: string, script: string, args: string[] = []): Stage {
  return checkStage(name, process.execPath, ["--import", "tsx", path.join("scripts", script), ...args]);
}

const vitestReport = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  numTodoTests: z.number(),
  testResults: z.array(z.object({ status: z.string(), assertionResults: z.array(z.object({ status: z.string() })) })),
});

/** One vitest project. */
export function vitestStage(project: string, isSlow: boolean): Stage {
  return {
    name: project,
    isSlow,
    async run() {
      const file = freshReport(`${project}.json`);
      const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
      const outcome = await run(path.join(bin, "vitest"), ["run", "--project", project, ...reporters], {
        env: wranglerEnv(),
        onLine: show,
      });
      return existsSync(file) ? countVitest(readFileSync(file, "utf8"), outcome.code) : broken(`vitest ${project}`);
    },
  };
}

export function countVitest(text: string, exitCode: number): Counts {
  const report = vitestReport.parse(JSON.parse(text));
  // A file that cannot be loaded has no test that failed, and an error outside of tests shows only in the exit code.
  const brokenFiles = report.testResults.filter(
    (file) => file.status === "failed" && file.assertionResults.every((test) => test.status !== "failed"),
  ).length;
  const failed = report.numFailedTests + brokenFiles;
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/** Each holds torch: a machine with many cores is not to be filled with them. */
const PYTEST_PROCESSES = ["-n", "auto", "--maxprocesses", "4", "--dist", "worksteal"];

/** pytest over the trainer's tests, in several processes. */
export function pytestStage(python: () => Promise<string>): Stage {
  return {
    name: "trainer",
    isSlow: true,
    async run() {
      const file = freshReport("pytest.xml");
      const args = ["-m", "pytest", "-q", ...PYTEST_PROCESSES, `--junitxml=${file}`];
      const cwd = path.join(root, "agent", "trainer");
      const outcome = await run(await python(), args, { cwd, onLine: show });
      return existsSync(file) ? countJunit(readFileSync(file, "utf8"), outcome.code) : broken("pytest");
    },
  };
}

export function countJunit(xml: string, exitCode: number): Counts {
  const suite = /<testsuite\s[^>]*>/.exec(xml)?.[0] ?? "";
  const count = (name: string): number => Number(new RegExp(`\\s${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
  const failed = count("failures") + count("errors");
  const skipped = count("skipped");
  return {
    passed: count("tests") - failed - skipped,
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped,
  };
}

function freshReport(name: string): string {
  mkdirSync(reportDir, { recursive: true });
  const file = path.join(reportDir, name);
  rmSync(file, { force: true });
  return file;
}

function broken(what: string): Counts {
  console.error(`${what} wrote no report: it did not run to its end`);
  return { passed: 0, failed: 1, skipped: 0 };
}

function show(line: string): void {
  process.stdout.write(`${line}\n`);
}

function wranglerEnv(): Record<string, string> {
  return quietWranglerEnv(path.join(root, ".wrangler"));
}
