/**
 * OpenAPI 3.1 documents from the same schemas that validate, and reference pages for people. The pages load Scalar from
 * our own assets, and their policy lets the browser talk to nobody but this deployment.
 */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context, Hono } from "hono";
import { DomainError } from "../domain/errors";
import type { Dialect } from "./dialect";
import type { EdgeDeps, HttpEnv } from "./http-env";

export interface Documented {
  dialect: Dialect;
  app: OpenAPIHono<HttpEnv>;
}

const PAGE_POLICY = [
  "default-src 'none'",
  // Scalar's zod asks once whether it may compile functions, is refused, and interprets instead.
  "script-src 'self'",
  // Scalar writes its styles into the page.
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "frame-ancestors 'none'",
].join("; ");

export function registerOpenApi(root: Hono<HttpEnv>, documented: Documented[], deps: EdgeDeps): void {
  const byName = new Map(documented.map((entry) => [entry.dialect.name, entry]));
  const origin = (c: Context<HttpEnv>) => deps.settingsFor(c).publicUrl ?? new URL(c.req.url).origin;

  root.get("/openapi.json", (c) =>
    c.json({
      documents: documented.map(({ dialect }) => ({
        name: dialect.name,
        title: dialect.title,
        url: `${origin(c)}/openapi/${dialect.name}.json`,
        docs_url: `${origin(c)}/docs/${dialect.name}`,
      })),
    }),
  );
  root.get("/openapi/:file{[a-z-]+\\.json}", (c) => {
    const entry = byName.get(c.req.param("file").replace(/\.json$/, ""));
    if (!entry) throw new DomainError("not_found", "no API of that name; /openapi.json lists them");
    return c.json(openApiDocument(entry, origin(c)));
  });
  root.get("/docs", (c) => page(c, "Anneal APIs", indexBody(documented), PLAIN_STYLE));
  root.get("/docs/:name", (c) => {
    const entry = byName.get(c.req.param("name"));
    if (!entry) throw new DomainError("not_found", "no API of that name; /docs lists them");
    return page(c, entry.dialect.title, referenceBody(entry.dialect));
  });
}

export function openApiDocument({ dialect, app }: Documented, origin: string): object {
  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: { title: dialect.title, version: dialect.version, description: dialect.description },
    servers: [{ url: origin }],
    security: dialect.credential === "admin" ? [{ bearer: [] }] : [{ bearer: [] }, { apiKey: [] }],
  });
  return {
    ...document,
    components: {
      ...document.components,
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer" },
        ...(dialect.credential === "admin" ? {} : { apiKey: { type: "apiKey", in: "header", name: "X-API-Key" } }),
      },
    },
  };
}

/** Shared with the dashboard's start page. */
const PLAIN_STYLE = `<link rel="stylesheet" href="/assets/pages.css">`;

function page(c: Context<HttpEnv>, title: string, body: string, style = ""): Response {
  return c.html(
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
      `<title>${title}</title><link rel="icon" href="data:,">${style}</head><body>${body}</body></html>`,
    200,
    { "content-security-policy": PAGE_POLICY },
  );
}

function indexBody(documented: Documented[]): string {
  const items = documented.map(
    ({ dialect: { name, title, description } }) =>
      `<dt><a href="/docs/${name}">${title}</a></dt>` +
      `<dd>${description} <a href="/openapi/${name}.json">OpenAPI document</a></dd>`,
  );
  return `<main><h1>Anneal APIs</h1><dl>${items.join("")}</dl></main>`;
}

/**
 * No fonts, no proxy, no telemetry, and none of the services that Scalar offers with its page: nothing outside this
 * deployment is asked for anything.
 */
const SCALAR_SETTINGS = JSON.stringify({
  withDefaultFonts: false,
  proxyUrl: "",
  telemetry: false,
  agent: { disabled: true },
  showDeveloperTools: "never",
  hideClientButton: true,
  defaultOpenAllTags: true,
});

function referenceBody(dialect: Dialect): string {
  return (
    `<script id="api-reference" data-url="/openapi/${dialect.name}.json" data-configuration='${SCALAR_SETTINGS}'></script>` +
    `<script src="/assets/scalar/standalone.js"></script>`
  );
}
