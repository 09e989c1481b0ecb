/** Tokens as the Vertesia dialect has them. */
import { z } from "@hono/zod-openapi";

/** All kinds of requests in one: which of them a type takes is the service's to say. */
export const issueTokenBody = z.strictObject({
  type: z
    .enum(["apikey", "user", "project", "environment", "agent", "service_account"])
    .optional()
    .openapi({ description: "By default `apikey`. The last three are refused." }),
  key: z.string().optional().openapi({ description: "An API key; the header may have it instead." }),
  audience: z.string().optional(),
  algorithm: z.literal("ES256", "tokens are signed with ES256").optional(),
  account_id: z.string().optional(),
  project_id: z.string().optional().openapi({ description: "Another project of the key's account." }),
  expires_at: z.number().optional().openapi({ description: "Seconds since 1970; a token lives 10 minutes at most." }),
  user_id: z.string().optional(),
  on_behalf_of: z.string().optional(),
  environment_id: z.string().optional(),
  environment_name: z.string().optional(),
  roles: z.array(z.string()).optional(),
  name: z.string().optional(),
  email: z.string().optional(),
});

export const issuedToken = z
  .object({ token: z.string(), token_type: z.literal("Bearer"), expires_in: z.int() })
  .openapi("IssueTokenResponse");

export const jwks = z.object({ keys: z.array(z.record(z.string(), z.string())) }).openapi("JWKS");
