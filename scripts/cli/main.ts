/**
 * The command line of Anneal: `npm run anneal -- <command>`. It speaks the native dialect and, for accounts, the admin edge,
 * and nothing else. Data goes to stdout, progress and errors to stderr; exit codes are in failure.ts.
 */
import { Command, CommanderError } from "commander";
import { addAccounts, addAgents, addKeys, addProjects } from "./accounts";
import { addDatasets, addFunctions } from "./artifacts";
import { addChat } from "./chat";
import { readCredentials } from "./credentials";
import { addDeployments } from "./deployments";
import { addEngines } from "./engines";
import { describeFailure, EXIT } from "./failure";
import { addJobs } from "./jobs";

function program(): Command {
  const command = new Command("anneal")
    .description("Fine-tuning jobs and models to be asked, on your own control plane.")
    .option("--json", "one JSON object on one line, for machines")
    .exitOverride();
  for (const add of [addAccounts, addProjects, addKeys, addAgents, addDatasets, addFunctions, addJobs]) add(command);
  for (const add of [addEngines, addDeployments, addChat]) add(command);
  strict(command);
  return command;
}

/** Subcommands inherit neither of these. */
function strict(command: Command): void {
  for (const child of command.commands) {
    child.exitOverride().showHelpAfterError("(--help shows how)");
    strict(child);
  }
}

try {
  await program().parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  } else {
    const { message, exitCode } = describeFailure(error, urlForMessages());
    console.error(`error: ${message}`);
    process.exitCode = exitCode;
  }
}

function urlForMessages(): string {
  try {
    return readCredentials().url;
  } catch {
    return "the deployment's URL";
  }
}
