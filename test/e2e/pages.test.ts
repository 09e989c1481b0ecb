/**
 * The deployment's pages in a real browser: they show what they should, without errors, under their own policy, and they
 * ask nobody but this deployment. Skipped where there is no Chromium (scripts/chromium.ts).
 */
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { chromium, type BrowserContext, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { findChromium, HOW_TO_GET_CHROMIUM } from "../../scripts/chromium";
import { startPlane, type TestPlane } from "../harness/plane";

const executablePath = findChromium();
if (executablePath === null) console.warn(HOW_TO_GET_CHROMIUM);

/** Quiet in the background; names resolve to nothing, so that even what no page asked for cannot leave this machine. */
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/** A violation of a page's policy is not always written to the console. */
const REPORT_VIOLATIONS = `document.addEventListener("securitypolicyviolation", (event) => {
  const script = event.sourceFile && new URL(event.sourceFile).pathname;
  console.error(["policy:", event.effectiveDirective, event.blockedURI, script].join(" "));
});`;

/** zod, in Scalar's file, asks whether it may compile functions; it is refused and takes its other way. */
const KNOWN_VIOLATION = "policy: script-src eval /assets/scalar/standalone.js";

/** For a person to look at, where wanted. */
const screenshotDir = process.env["ANNEAL_SCREENSHOT_DIR"];

describe.skipIf(executablePath === null)("the pages", () => {
  let plane: TestPlane;
  let userDataDir: string;
  let browser: BrowserContext;
  let page: Page;
  let requests: URL[];
  let errors: string[];

  beforeAll(async () => {
    plane = await startPlane({ heartbeatMs: 10_000, leaseMs: 120_000, resumeIntervalMs: 60_000 });
    userDataDir = mkdtempSync(path.join(os.tmpdir(), "anneal-chromium-"));
    browser = await chromium.launchPersistentContext(userDataDir, {
      executablePath: executablePath ?? "",
      args: FLAGS,
      viewport: { width: 1280, height: 900 },
    });
    await browser.addInitScript(REPORT_VIOLATIONS);
    browser.on("request", (request) => requests.push(new URL(request.url())));
    browser.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    browser.on("weberror", (thrown) => errors.push(thrown.error().message));
  });

  afterAll(async () => {
    await browser.close();
    rmSync(userDataDir, { recursive: true, force: true });
    await plane.close();
  });

  beforeEach(async () => {
    requests = [];
    errors = [];
    page = await browser.newPage();
  });

  afterEach(async (test) => {
    if (screenshotDir !== undefined) {
      const file = `${test.task.name.replaceAll(/\W+/g, "-")}.png`;
      await page.screenshot({ path: path.join(screenshotDir, file) });
    }
    await page.close();
    const elsewhere = requests.filter((url) => /^(https?|wss?):$/.test(url.protocol) && url.origin !== plane.url);
    expect(elsewhere.map(String)).toEqual([]);
    expect(errors.filter((text) => text !== KNOWN_VIOLATION)).toEqual([]);
  });

  /** Every page brings a policy that begins with nothing. */
  const open = async (path: string): Promise<void> => {
    const answer = await page.goto(`${plane.url}${path}`);
    expect(answer?.status()).toBe(200);
    expect(answer?.headers()["content-security-policy"]).toMatch(/^default-src 'none';/);
  };
  const statusOf = async (path: string): Promise<number> => (await page.request.get(`${plane.url}${path}`)).status();

  it("says what this deployment is and links to its APIs", async () => {
    await open("/");
    await page.getByRole("heading", { name: "Anneal" }).waitFor();
    const links = await page.getByRole("link").evaluateAll((found) => found.map((link) => link.getAttribute("href")));
    expect(links).toEqual(expect.arrayContaining(["/docs", "/docs/veri", "/docs/anneal", "/openapi.json"]));
    for (const link of links) expect([link, await statusOf(link ?? "")]).toEqual([link, 200]);
  });

  it("lists every API", async () => {
    await open("/docs");
    for (const { name, title } of [
      { name: "anneal", title: "Anneal" },
      { name: "veri", title: "Veri API" },
      { name: "admin", title: "Anneal admin" },
    ]) {
      const link = page.getByRole("link", { name: title, exact: true });
      expect(await link.getAttribute("href")).toBe(`/docs/${name}`);
    }
  });

  for (const { name, operation, path } of [
    { name: "veri", operation: "Create a training job", path: "/v1/training_jobs" },
    { name: "anneal", operation: "Submit a training job", path: "/anneal/v1/jobs" },
  ]) {
    it(`shows the operations of ${name}, by a script of our own`, async () => {
      await open(`/docs/${name}`);
      await page.getByRole("navigation").getByText(operation).first().click();
      await page.getByRole("heading", { name: operation }).waitFor();
      await page.getByRole("main").getByText(path, { exact: true }).first().waitFor();
      // What it wants to ask for beyond that, it has asked for when it is idle.
      await page.evaluate("new Promise((resolve) => requestIdleCallback(resolve))");
      expect(requests.filter((url) => url.origin === plane.url).map((url) => url.pathname)).toEqual([
        `/docs/${name}`,
        "/assets/scalar/standalone.js",
        `/openapi/${name}.json`,
      ]);
    });
  }
});
