/** `deployments`: models that can be asked. */
import type { Command } from "commander";
import { contextOf, NATIVE, query, withPaging } from "./context";
import { addDelete } from "./delete";
import { placementOf, withPlacement, type PlacementOptions } from "./management-option";
import { printLine } from "./output";
import { postOnce } from "./request";
import { anyList, anything } from "./shapes";
import { addVerbs } from "./verbs";

const VERBS = {
  stop: "take it from its engine for good; an engine that was made with it goes too",
  reactivate: "wake its engine, or try one again that has failed",
};

export const deploymentPath = (id: string, rest = ""): string =>
  `${NATIVE}/deployments/${encodeURIComponent(id)}${rest}`;

interface CreateOptions extends PlacementOptions {
  model: string;
  name?: string;
  description?: string;
  engine?: string;
}

export function addDeployments(program: Command): void {
  const deployments = program.command("deployments").description("models that can be asked");
  addCreate(deployments);
  addReading(deployments);
  addVerbs(deployments, VERBS, "dep_…", deploymentPath);
  addDelete(deployments, "deployments", "dep_…");
}

function addCreate(deployments: Command): void {
  withPlacement(deployments.command("create"))
    .description("on an engine of its own, or on a given one; prints its id")
    .requiredOption("--model <model>", "job_<id>, job_<id>@<checkpoint>, or a base model")
    .option("--name <name>", "what requests say as `model`; made of the job's by default")
    .option("--description <text>", "for people")
    .option("--engine <id>", "eng_…, of the same base model")
    .action(async (options: CreateOptions, command: Command) => {
      const { api, out } = contextOf(command);
      const { model, name, description, engine } = options;
      const path =
        engine === undefined ? `${NATIVE}/deployments` : `${NATIVE}/engines/${encodeURIComponent(engine)}/deployments`;
      const body = JSON.stringify({ model, name, description, ...placementOf(options) });
      const made = await postOnce(api, path, body, undefined);
      if (out.json) printLine(made);
      else console.log(made.id);
    });
}

function addReading(deployments: Command): void {
  withPaging(deployments.command("list"))
    .option("--status <status>", "only those in this status")
    .option("--engine <id>", "only those on this engine")
    .action(async ({ limit, after, status, engine }: Record<string, string | undefined>, command: Command) => {
      const { api, out } = contextOf(command);
      const path = `${NATIVE}/deployments${query({ limit, after, status, engine_id: engine })}`;
      out.list(await api.get(path, anyList), ["id", "name", "status", "model", "task_type", "engine_id"]);
    });
  deployments
    .command("get")
    .argument("<id>", "dep_…")
    .action(async (id: string, _options: object, command: Command) => {
      const { api, out } = contextOf(command);
      out.show(await api.get(deploymentPath(id), anything));
    });
  withPaging(deployments.command("requests").argument("<id>", "dep_…"))
    .description("what it was asked, newest first")
    .action(async (id: string, { limit, after }: Record<string, string | undefined>, command: Command) => {
      const { api, out } = contextOf(command);
      const page = await api.get(deploymentPath(id, `/requests${query({ limit, after })}`), anyList);
      out.list(page, ["id", "endpoint", "status", "first_byte_ms", "duration_ms", "usage", "error", "created_at"]);
    });
  deployments
    .command("metrics")
    .argument("<id>", "dep_…")
    .action(async (id: string, _options: object, command: Command) => {
      const { api, out } = contextOf(command);
      out.show(await api.get(deploymentPath(id, "/metrics"), anything));
    });
}
