/** `delete`, of whatever can be deleted. */
import type { Command } from "commander";
import { contextOf, NATIVE } from "./context";
import { request } from "./request";
import { anything } from "./shapes";

const DESCRIPTIONS = {
  projects: "for good, with its datasets, jobs and functions; refused while one of its jobs has not ended",
  datasets: "for good; refused while a job that has not ended uses it",
  functions: "for good; refused while a job that has not ended uses it",
  engines: "with its deployments; what they are answering ends with an error",
  deployments: "with its engine where that was made with it",
  jobs: "for good, with its checkpoints and logs; refused before it has ended",
};

export function addDelete(parent: Command, collection: keyof typeof DESCRIPTIONS, form: string): void {
  parent
    .command("delete")
    .description(DESCRIPTIONS[collection])
    .argument("<id>", form)
    .action(async (id: string, _options: object, command: Command) => {
      const { api, out } = contextOf(command);
      out.show(await request(api, "DELETE", `${NATIVE}/${collection}/${encodeURIComponent(id)}`, anything));
    });
}
