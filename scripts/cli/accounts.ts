/** `accounts`, `projects`, `keys` and `agents`: who may do what. */
import { InvalidArgumentError, type Command } from "commander";
import { ADMIN, adminContextOf, contextOf, NATIVE, query, withPaging } from "./context";
import { addDelete } from "./delete";
import { printLine } from "./output";
import { request } from "./request";
import { account, anyList, anything, token } from "./shapes";

interface Paging {
  limit: string;
  after?: string;
}

export function addAccounts(program: Command): void {
  const accounts = program.command("accounts").description("accounts of the deployment (admin token)");
  accounts
    .command("create")
    .description("make an account with a project and a key; prints one JSON line")
    .requiredOption("--name <name>", "the account's name")
    .action(async (options: { name: string }, command: Command) => {
      const { api } = adminContextOf(command);
      printLine(await api.post(`${ADMIN}/accounts`, options, account));
    });
  withPaging(accounts.command("list")).action(async (options: Paging, command: Command) => {
    const { api, out } = adminContextOf(command);
    const { limit, after } = options;
    out.list(await api.get(`${ADMIN}/accounts${query({ limit, after })}`, anyList), ["id", "name", "created_at"]);
  });
}

export function addProjects(program: Command): void {
  const projects = program.command("projects").description("projects of the account");
  projects
    .command("create")
    .requiredOption("--name <name>", "the project's name")
    .action(async (options: { name: string }, command: Command) => {
      const { api, out } = contextOf(command);
      out.show(await api.post(`${NATIVE}/projects`, options, anything));
    });
  withPaging(projects.command("list")).action(async ({ limit, after }: Paging, command: Command) => {
    const { api, out } = contextOf(command);
    out.list(await api.get(`${NATIVE}/projects${query({ limit, after })}`, anyList), ["id", "name", "created_at"]);
  });
  addDelete(projects, "projects", "ms-…");
}

export function addKeys(program: Command): void {
  const keys = program.command("keys").description("API keys of the account");
  keys
    .command("create")
    .requiredOption("--name <name>", "what the key is for")
    .option("--scopes <list>", "comma-separated, of read,write,agent; this key's own by default")
    .action(async (options: { name: string; scopes?: string }, command: Command) => {
      const { api, out } = contextOf(command);
      const scopes = options.scopes === undefined ? {} : { scopes: options.scopes.split(",") };
      out.show(await api.post(`${NATIVE}/keys`, { name: options.name, ...scopes }, anything));
    });
  withPaging(keys.command("list")).action(async ({ limit, after }: Paging, command: Command) => {
    const { api, out } = contextOf(command);
    const page = await api.get(`${NATIVE}/keys${query({ limit, after })}`, anyList);
    out.list(page, ["id", "name", "prefix", "scopes", "last_used_at"]);
  });
  keys
    .command("revoke")
    .argument("<id>", "key_…")
    .action(async (id: string, _options: object, command: Command) => {
      const { api, out } = contextOf(command);
      out.show(await request(api, "DELETE", `${NATIVE}/keys/${encodeURIComponent(id)}`, anything));
    });
}

export function addAgents(program: Command): void {
  const agents = program.command("agents").description("the machines that train");
  agents
    .command("token")
    .description("print a bootstrap token for `npm run agent`")
    .option("--reusable", "good for many agents", false)
    .option("--ttl <seconds>", "how long it may be used", seconds, 3600)
    .option("--platform", "for agents of every account (admin token)", false)
    .action(async (options: { reusable: boolean; ttl: number; platform: boolean }, command: Command) => {
      const { api, out } = options.platform ? adminContextOf(command) : contextOf(command);
      const body = { reusable: options.reusable, ttl_seconds: options.ttl };
      const made = await api.post(`${options.platform ? ADMIN : NATIVE}/agent_tokens`, body, token);
      if (out.json) printLine(made);
      else console.log(made.token);
    });
  withPaging(agents.command("tokens").description("the account's bootstrap tokens")).action(
    async ({ limit, after }: Paging, command: Command) => {
      const { api, out } = contextOf(command);
      const page = await api.get(`${NATIVE}/agent_tokens${query({ limit, after })}`, anyList);
      out.list(page, ["id", "reusable", "agent_id", "expires_at"]);
    },
  );
  withPaging(agents.command("list")).action(async ({ limit, after }: Paging, command: Command) => {
    const { api, out } = contextOf(command);
    const page = await api.get(`${NATIVE}/agents${query({ limit, after })}`, anyList);
    out.list(page, ["id", "name", "gpus", "agent_version", "created_at", "revoked_at"]);
  });
  agents
    .command("revoke")
    .argument("<id>", "agent_…")
    .action(async (id: string, _options: object, command: Command) => {
      const { api, out } = contextOf(command);
      out.show(await request(api, "DELETE", `${NATIVE}/agents/${encodeURIComponent(id)}`, anything));
    });
}

function seconds(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("must be a whole number of seconds");
  return value;
}
