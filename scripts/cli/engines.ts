/** `engines`: agents that hold one base model, and the deployments on it. */
import type { Command } from "commander";
import { contextOf, NATIVE, query, withPaging } from "./context";
import { addDelete } from "./delete";
import { placementOf, withManagement, withPlacement, type PlacementOptions } from "./management-option";
import { printLine } from "./output";
import { postOnce, request } from "./request";
import { anyList, anything } from "./shapes";
import { addVerbs } from "./verbs";

const VERBS = {
  reactivate: "bring an inactive engine up",
  deactivate: "give its agents back; a request wakes it again",
};

const pathOf = (id: string, rest = ""): string => `${NATIVE}/engines/${encodeURIComponent(id)}${rest}`;

interface CreateOptions extends PlacementOptions {
  baseModel: string;
  name?: string;
  task?: string;
}

export function addEngines(program: Command): void {
  const engines = program.command("engines").description("what holds models to be asked");
  withPlacement(engines.command("create"))
    .description("prints its id")
    .requiredOption("--base-model <model>", "a name of the catalogue, or a Hugging Face id")
    .option("--name <name>", "made of the base model's by default")
    .option("--task <task>", "text-generation, embedding, classification or regression")
    .action(async (options: CreateOptions, command: Command) => {
      const { api, out } = contextOf(command);
      const { baseModel, name, task } = options;
      const body = { base_model: baseModel, name, task_type: task, ...placementOf(options) };
      const made = await postOnce(api, `${NATIVE}/engines`, JSON.stringify(body), undefined);
      if (out.json) printLine(made);
      else console.log(made.id);
    });
  withPaging(engines.command("list"))
    .option("--status <status>", "inactive, starting or active")
    .action(async ({ limit, after, status }: Record<string, string | undefined>, command: Command) => {
      const { api, out } = contextOf(command);
      const page = await api.get(`${NATIVE}/engines${query({ limit, after, status })}`, anyList);
      out.list(page, ["id", "name", "status", "base_model", "task_type", "deployments", "replicas"]);
    });
  engines
    .command("get")
    .argument("<id>", "eng_…")
    .action(async (id: string, _options: object, command: Command) => {
      const { api, out } = contextOf(command);
      out.show(await api.get(pathOf(id), anything));
    });
  withManagement(engines.command("set").argument("<id>", "eng_…"))
    .description("change when it holds its agents, or how many")
    .action(async (id: string, options: PlacementOptions, command: Command) => {
      const { api, out } = contextOf(command);
      const headers = { "content-type": "application/json" };
      out.show(
        await request(api, "PATCH", pathOf(id), anything, { body: JSON.stringify(placementOf(options)), headers }),
      );
    });
  addVerbs(engines, VERBS, "eng_…", pathOf);
  addDelete(engines, "engines", "eng_…");
}
