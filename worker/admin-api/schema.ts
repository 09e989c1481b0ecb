/** What the deployment owner's edge takes and answers. */
import { z } from "@hono/zod-openapi";
import { pageParams } from "../http/page-params";

export const ACCOUNT_PREFIX = "acct_";
export const PROJECT_PREFIX = "ms-";
export const TOKEN_PREFIX = "boot_";

const timestamp = z.string().openapi({ description: "RFC 3339, UTC, milliseconds.", format: "date-time" });

export const createAccount = z.strictObject({ name: z.string().trim().min(1).max(200) });
export const newAccount = z
  .object({
    account_id: z.string(),
    project_id: z.string(),
    name: z.string(),
    api_key: z.string().openapi({ description: "Shown this once; good in every dialect." }),
    created_at: timestamp,
  })
  .openapi("NewAccount");

export const listQuery = z.object(pageParams({ prefix: ACCOUNT_PREFIX, defaultLimit: 20, maxLimit: 100 }));
export const accounts = z.object({
  data: z.array(z.object({ id: z.string(), name: z.string(), created_at: timestamp }).openapi("Account")),
  has_more: z.boolean(),
});

/** As long as an account's own tokens may live. */
const MAX_TOKEN_TTL_SECONDS = 30 * 24 * 3600;
export const createToken = z.strictObject({
  reusable: z.boolean().default(false).openapi({ description: "One token for many agents." }),
  ttl_seconds: z.int().min(60).max(MAX_TOKEN_TTL_SECONDS).default(3600),
});
export const newToken = z
  .object({
    id: z.string(),
    reusable: z.boolean(),
    token: z.string().openapi({ description: "Shown this once; only its SHA-256 is kept." }),
    created_at: timestamp,
    expires_at: timestamp,
  })
  .openapi("NewPlatformToken");
