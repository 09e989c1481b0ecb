/** Accounts, and bootstrap tokens of the platform's own agents. */
import { defineRoute } from "../http/define-route";
import * as schema from "./schema";

const time = (ms: number): string => new Date(ms).toISOString();

export const createAccountRoute = defineRoute({
  operationId: "admin.createAccount",
  method: "post",
  path: "/admin/v1/accounts",
  summary: "Make an account with a project and a key",
  tags: ["Accounts"],
  body: schema.createAccount,
  answer: { status: 201, description: "Made.", schema: schema.newAccount },
  handler: async ({ services, body }) => {
    const { account, project, key } = await services.createAccount(body.name);
    return {
      account_id: schema.ACCOUNT_PREFIX + account.id,
      project_id: schema.PROJECT_PREFIX + project.id,
      name: account.name,
      api_key: key.key,
      created_at: time(account.createdAtMs),
    };
  },
});

export const listAccountsRoute = defineRoute({
  operationId: "admin.listAccounts",
  method: "get",
  path: "/admin/v1/accounts",
  summary: "List the deployment's accounts",
  tags: ["Accounts"],
  query: schema.listQuery,
  answer: { description: "Newest first.", schema: schema.accounts },
  handler: async ({ services, query }) => {
    const { items, hasMore } = await services.listAccounts(query);
    return {
      data: items.map(({ id, name, createdAtMs }) => ({
        id: schema.ACCOUNT_PREFIX + id,
        name,
        created_at: time(createdAtMs),
      })),
      has_more: hasMore,
    };
  },
});

export const createPlatformTokenRoute = defineRoute({
  operationId: "admin.createPlatformToken",
  method: "post",
  path: "/admin/v1/agent_tokens",
  summary: "Make a bootstrap token for an agent of the platform, which may run every account's jobs",
  tags: ["Agents"],
  body: schema.createToken,
  answer: { status: 201, description: "Made.", schema: schema.newToken },
  handler: async ({ services, body }) => {
    const options = { reusable: body.reusable, ttlSeconds: body.ttl_seconds };
    const { record, token } = await services.createBootstrapToken(null, options);
    return {
      id: schema.TOKEN_PREFIX + record.id,
      reusable: record.reusable,
      token,
      created_at: time(record.createdAtMs),
      expires_at: time(record.expiresAtMs),
    };
  },
});
