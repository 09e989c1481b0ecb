/**
 * Who may import whom (DESIGN §2): a line per row of the table, on resolved paths, type imports included. Under
 * TypeScript 7 this tool sees no file and passes, so scripts/import-check.ts fails when it saw fewer than 20.
 */

/** Only these folders and `packages` may be imported from `from`. */
function only(name, comment, from, folders, packages = []) {
  const allowed = [...folders.map((folder) => `^${folder}`), ...packages.map((name) => `node_modules/${name}(/|$)`)];
  return { name, comment, severity: "error", from: { path: from }, to: { pathNot: allowed } };
}

/** As `only`, and what the platform gives: `cloudflare:workers`, and Node's own modules by nodejs_compat. */
function onlyWithPlatform(name, comment, from, folders, packages) {
  const rule = only(name, comment, from, [...folders, "cloudflare:"], packages);
  return { ...rule, to: { ...rule.to, dependencyTypesNot: ["core"] } };
}

/** Nothing outside `users` may import `folder`. */
function usedOnlyBy(name, comment, folder, users) {
  return { name, comment, severity: "error", from: { pathNot: [folder, ...users] }, to: { path: folder } };
}

const protocol = "protocol/";
const domain = "worker/domain/";
const services = "worker/services/";
const http = "worker/http/";
const edge = [http, services, domain, protocol];
const edgePackages = ["hono", "@hono/zod-openapi", "zod"];

module.exports = {
  forbidden: [
    { name: "no-cycles", comment: "type imports count too", severity: "error", from: {}, to: { circular: true } },
    {
      name: "resolvable",
      comment: "an import that leads nowhere would escape every other rule",
      severity: "error",
      from: {},
      to: { couldNotResolve: true, pathNot: ["^cloudflare:"] },
    },
    only("protocol-is-alone", "the contract depends on nothing of ours", "^protocol/", [protocol], ["zod"]),
    only(
      "domain-is-pure",
      "types and rules, no input or output",
      "^worker/domain/",
      [domain, protocol],
      ["zod", "ulid"],
    ),
    only(
      "services-get-ports",
      "stores, queues, clock and ids come as ports",
      "^worker/services/",
      [services, domain, protocol],
      ["zod"],
    ),
    onlyWithPlatform(
      "stores-below-services",
      "records and bytes, no use-case",
      "^worker/stores/",
      ["worker/stores/", domain, protocol],
      ["drizzle-orm", "jose", "zod"],
    ),
    onlyWithPlatform(
      "streams-are-plain",
      "classes over a Durable Object's SQLite",
      "^worker/streams/",
      ["worker/streams/", domain, protocol],
      ["zod"],
    ),
    only(
      "relay-is-plain",
      "sockets and streams of an engine's object, over its own SQLite",
      "^worker/relay/",
      ["worker/relay/", domain, protocol],
      ["zod"],
    ),
    onlyWithPlatform(
      "objects-are-thin",
      "shells over streams; the container gives them their services",
      "^worker/objects/",
      ["worker/objects/", "worker/container", "worker/env", "worker/streams/", "worker/relay/", domain, protocol],
      ["zod"],
    ),
    only(
      "queues-carry-ids",
      "messages and their consumer",
      "^worker/queues/",
      ["worker/queues/", services, domain, protocol],
      ["zod"],
    ),
    only(
      "providers-behind-a-port",
      "hosts for rent",
      "^worker/providers/",
      ["worker/providers/", domain, protocol],
      ["zod"],
    ),
    only("http-is-shared", "the edge kit knows no dialect", "^worker/http/", edge, [...edgePackages, "multipasta"]),
    only(
      "dialect-to-services-only",
      "a dialect reaches the domain through services alone",
      "^worker/dialects/",
      [...edge, "worker/dialects/"],
      edgePackages,
    ),
    {
      name: "no-dialect-to-dialect",
      severity: "error",
      from: { path: "^worker/dialects/([^/]+)/" },
      to: { path: "^worker/dialects/", pathNot: "^worker/dialects/$1/" },
    },
    only("agent-api-is-an-edge", "like a dialect", "^worker/agent-api/", [...edge, "worker/agent-api/"], edgePackages),
    only("admin-api-is-an-edge", "like a dialect", "^worker/admin-api/", [...edge, "worker/admin-api/"], edgePackages),
    usedOnlyBy("only-container-builds-stores", "the only `new`", "^worker/stores/", ["^worker/container", "^test/"]),
    usedOnlyBy("only-container-builds-queues", "the only `new`", "^worker/queues/", [
      "^worker/(container|index)",
      "^test/",
    ]),
    usedOnlyBy("only-container-builds-providers", "the only `new`", "^worker/providers/", [
      "^worker/container",
      "^test/",
    ]),
    usedOnlyBy("only-objects-hold-streams", "one door to a job's order", "^worker/streams/", [
      "^worker/(container|objects/)",
      "^test/",
    ]),
    usedOnlyBy("only-objects-hold-relays", "one object of an engine has all of its sockets", "^worker/relay/", [
      "^worker/(container|objects/)",
      "^test/",
    ]),
    usedOnlyBy("objects-are-exported-once", "index exports the classes", "^worker/objects/", [
      "^worker/(container|index|env)",
      "^test/",
    ]),
    usedOnlyBy("container-is-the-root", "services are bound there and nowhere else", "^worker/container", [
      "^worker/(index|app|objects/)",
      "^test/",
    ]),
    usedOnlyBy("env-is-parsed-once", "configuration is read by the container", "^worker/env", [
      "^worker/(container|index|app|objects/)",
      "^test/",
    ]),
    {
      name: "agent-never-worker",
      comment: "the protocol is all they share",
      severity: "error",
      from: { path: "^agent/" },
      to: { path: "^(worker|scripts|bench|dashboard)/" },
    },
    {
      name: "worker-never-agent",
      severity: "error",
      from: { path: "^(worker|protocol)/" },
      to: { path: "^(agent|scripts|bench|dashboard)/" },
    },
    {
      name: "dashboard-speaks-http",
      comment: "the pages know the native API, not the code behind it",
      severity: "error",
      from: { path: "^dashboard/" },
      to: { path: "^(worker|agent|scripts|bench)/" },
    },
    {
      name: "scripts-speak-http",
      comment: "a command uses the API like anyone",
      severity: "error",
      from: { path: "^scripts/" },
      to: { path: "^worker/" },
    },
    {
      name: "bench-measures-from-outside",
      comment: "what is measured is what people use; only the entry with the bare routes has the worker in it",
      severity: "error",
      from: { path: "^bench/", pathNot: "^bench/worker\\.ts$" },
      to: { path: "^(worker|agent|dashboard)/" },
    },
    {
      name: "bench-worker-is-the-entry",
      comment: "the deployed worker as it is",
      severity: "error",
      from: { path: "^bench/worker\\.ts$" },
      to: { path: "^(agent|dashboard|worker)/", pathNot: "^worker/index\\.ts$" },
    },
    usedOnlyBy("bench-is-a-leaf", "nothing stands on a measurement", "^bench/", ["^test/"]),
    {
      name: "no-test-outside-tests",
      comment: "the scripted trainer and the strict servers cannot be selected elsewhere",
      severity: "error",
      from: { pathNot: ["^test/", "^bench/", "^vitest\\.config"] },
      to: { path: "^test/" },
    },
    {
      name: "no-dev-package-shipped",
      severity: "error",
      from: { path: "^(worker|protocol|agent)/" },
      to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["type-only"] },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
    exclude: { path: ["^dashboard/assets/", "^agent/trainer/"] },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "require", "node", "default", "types"],
    },
  },
};
