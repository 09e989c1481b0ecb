/** An account of a local deployment and a bootstrap token for its agents, by the API like anyone's. */
import { z } from "zod";
import { apiClient } from "./api";

/** In dev many agents may use the token; it lives as long as the API allows. */
const TOKEN_TTL_SECONDS = 30 * 24 * 3600;

const newAccount = z.object({ account_id: z.string(), project_id: z.string(), api_key: z.string() });
export type LocalAccount = z.infer<typeof newAccount>;
const newToken = z.object({ token: z.string(), expires_at: z.iso.datetime() });

export function createAccount(url: string, adminToken: string, name: string): Promise<LocalAccount> {
  return apiClient(url, adminToken).post("/admin/v1/accounts", { name }, newAccount);
}

export async function createAgentToken(url: string, apiKey: string): Promise<{ token: string; expiresAtMs: number }> {
  const body = { reusable: true, ttl_seconds: TOKEN_TTL_SECONDS };
  const made = await apiClient(url, apiKey).post("/anneal/v1/agent_tokens", body, newToken);
  return { token: made.token, expiresAtMs: Date.parse(made.expires_at) };
}
