/**
 * `npm run check:schemathesis [-- <seed>]`: schemathesis, in a venv of its own, against the served document of the Emissary
 * dialect on a control plane without an agent: at least 1,000 cases, no server error and no undocumented status. It calls
 * with ids that exist, so that what is behind them is reached; what it deletes is a project of its own.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { startControlPlane } from "./control-plane";
import { writeCredentials, type Credentials } from "./credentials";
import { root } from "./env";
import { freePort } from "./free-port";
import { run, stopAll, stopOnSignals } from "./processes";
import { pip, venv } from "./python-env";

const REQUIREMENTS = path.join(root, "test", "conformance", "schemathesis-requirements.txt");
const CONFIG = path.join(root, "test", "conformance", "schemathesis.toml");
/** Of each operation, beside those that cover its schema. */
const MAX_EXAMPLES = 60;
const MIN_CASES = 1000;
const CHECKS = [
  "not_a_server_error",
  "status_code_conformance",
  "content_type_conformance",
  "response_schema_conformance",
  "unsupported_method",
];

async function main(dir: string): Promise<boolean> {
  const python = await venv("schemathesis", [REQUIREMENTS], (interpreter, report) =>
    pip(interpreter, ["-r", REQUIREMENTS], report),
  );
  // Nobody serves here: whoever asks a model that there is hears so at once. That is a 503, which the checks take for a fault,
  // so the document's example of a model is one that nobody has made.
  const variables = { ANNEAL_WAKE_WAIT_MS: "50" };
  const plane = await startControlPlane({ stateDir: dir, port: await freePort(), variables });
  const made = await writeCredentials(dir, plane);
  const config = path.join(dir, "schemathesis.toml");
  writeFileSync(config, withIds(readFileSync(CONFIG, "utf8"), await records(made)));
  const args = [
    ...["--config-file", config, "run", `${made.url}/openapi/emissary.json`],
    // Both: it makes up a value for the one that it is not given, and two that differ are a 401.
    ...["--header", `X-API-Key: ${made.api_key}`, "--header", `Authorization: Bearer ${made.api_key}`],
    ...["--checks", CHECKS.join(",")],
    ...["--max-examples", String(MAX_EXAMPLES), "--seed", process.argv[2] ?? "1"],
  ];
  const command = path.join(path.dirname(python), "schemathesis");
  const outcome = await run(command, args, { cwd: dir, onLine: (line) => console.log(line) });
  const cases = Number(/([\d,]+) generated/.exec(outcome.stdout)?.[1]?.replaceAll(",", "") ?? 0);
  console.log(`${String(cases)} cases, ${outcome.code === 0 ? "no failure" : `exit ${String(outcome.code)}`}`);
  return outcome.code === 0 && cases >= MIN_CASES;
}

/** A project with a dataset, a job and a deployment, and another with what may be deleted. */
async function records({ url, api_key: key }: Credentials): Promise<Record<string, string>> {
  const ids: Record<string, string> = {};
  for (const prefix of ["", "doomed "]) {
    const project = await post(url, key, "/v1/projects");
    const dataset = await post(url, key, `/v1/projects/${project}/datasets`, rows());
    const job = await post(url, key, `/v1/projects/${project}/training-jobs`, {
      base_model: "anneal/tiny-llama",
      train_dataset_id: dataset,
    });
    const base = { training_job_id: "anneal/tiny-llama", checkpoint: 0 };
    const deployment = await post(url, key, `/v1/projects/${project}/deployments`, base);
    // One that is made with its deployment has its id.
    const engine = deployment.replace("dp-", "engine-");
    for (const [what, id] of Object.entries({ project, dataset, job, deployment, engine })) ids[prefix + what] = id;
  }
  return ids;
}

function rows(): FormData {
  const form = new FormData();
  const text = [1, 2].map((n) => JSON.stringify({ prompt: `1+${String(n)}=`, completion: String(n + 1) })).join("\n");
  form.set("file", new File([text], "rows.jsonl"));
  return form;
}

async function post(url: string, key: string, where: string, body?: FormData | object): Promise<string> {
  const isForm = body instanceof FormData;
  const response = await fetch(url + where, {
    method: "POST",
    headers: { "x-api-key": key, ...(body && !isForm ? { "content-type": "application/json" } : {}) },
    ...(body ? { body: isForm ? body : JSON.stringify(body) } : {}),
  });
  const made = (await response.json()) as { id?: string };
  if (response.status !== 201 || made.id === undefined) throw new Error(`${where}: ${JSON.stringify(made)}`);
  return made.id;
}

function withIds(text: string, ids: Record<string, string>): string {
  return text.replaceAll(/<([\w ]+)>/g, (whole, name: string) => ids[name] ?? whole);
}

const dir = mkdtempSync(path.join(os.tmpdir(), "anneal-schemathesis-"));

/** What a failure has to say is in the output. */
async function end(): Promise<void> {
  await stopAll();
  rmSync(dir, { recursive: true, force: true });
}

stopOnSignals(end, 1);
main(dir)
  .catch((error: unknown) => {
    console.error(error);
    return false;
  })
  .then(async (isGood) => {
    await end();
    process.exit(isGood ? 0 : 1);
  })
  .catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
