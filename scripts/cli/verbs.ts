/** What is done to one record by a POST of its own, such as `engines reactivate <id>`. */
import type { Command } from "commander";
import { contextOf } from "./context";
import { request } from "./request";
import { anything } from "./shapes";

/** `verbs`: what each is described as; `pathOf` makes the path of a record and its verb. */
export function addVerbs(
  parent: Command,
  verbs: Readonly<Record<string, string>>,
  form: string,
  pathOf: (id: string, rest: string) => string,
): void {
  for (const [verb, description] of Object.entries(verbs)) {
    parent
      .command(verb)
      .description(description)
      .argument("<id>", form)
      .action(async (id: string, _options: object, command: Command) => {
        const { api, out } = contextOf(command);
        out.show(await request(api, "POST", pathOf(id, `/${verb}`), anything));
      });
  }
}
