/** Requests beyond plain GET and POST. */
import type { z } from "zod";
import { ApiError, type ApiClient } from "../api";
import { created } from "./shapes";

export async function request<T>(
  api: ApiClient,
  method: "POST" | "PUT" | "PATCH" | "DELETE",
  path: string,
  shape: z.ZodType<T>,
  init: { body?: BodyInit; headers?: Record<string, string> } = {},
): Promise<T> {
  // Fetch wants to be told that a streamed body goes out before the answer comes in.
  const streamed = { ...init, duplex: "half" };
  const response = await api.send(method, path, streamed);
  const text = await response.text();
  if (!response.ok) throw new ApiError(method, path, response.status, text);
  return shape.parse(JSON.parse(text));
}

/** POST of a JSON text that makes something; the same `key` and body make it once. */
export function postOnce(api: ApiClient, path: string, body: string, key: string | undefined): Promise<{ id: string }> {
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (key !== undefined) headers["idempotency-key"] = key;
  return request(api, "POST", path, created, { body, headers });
}
