/** A small client of the public HTTP API, for scripts and tests: JSON in and out, an error that says what was answered. */
import { setTimeout as sleep } from "node:timers/promises";
import type { z } from "zod";
import { readSse, type SseItem } from "./sse";

export class ApiError extends Error {
  constructor(
    readonly method: string,
    readonly path: string,
    readonly status: number,
    readonly body: string,
  ) {
    super(`${method} ${path} answered ${String(status)}: ${body.slice(0, 500)}`);
  }
}

export interface ApiClient {
  url: string;
  /** The answer, checked against `shape`. */
  get<T>(path: string, shape: z.ZodType<T>): Promise<T>;
  post<T>(path: string, body: unknown, shape: z.ZodType<T>, headers?: Record<string, string>): Promise<T>;
  delete<T>(path: string, shape: z.ZodType<T>): Promise<T>;
  /** The answer as it is, whatever its status. */
  send(method: string, path: string, init?: { body?: BodyInit; headers?: Record<string, string> }): Promise<Response>;
  /** Every item of an SSE stream to its end, going on by Last-Event-ID when the connection breaks. */
  follow(path: string): AsyncGenerator<SseItem>;
}

/** A stream that breaks off this often in a row without one new item has no end to come. */
const MAX_RECONNECTS = 20;
const RECONNECT_MS = 250;

export function apiClient(url: string, key: string): ApiClient {
  async function send(
    method: string,
    path: string,
    init: { body?: BodyInit; headers?: Record<string, string> } = {},
  ): Promise<Response> {
    return fetch(`${url}${path}`, { method, ...init, headers: { authorization: `Bearer ${key}`, ...init.headers } });
  }
  async function json<T>(
    method: string,
    path: string,
    shape: z.ZodType<T>,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<T> {
    const response = await send(method, path, { headers, ...encode(body, headers) });
    const text = await response.text();
    if (!response.ok) throw new ApiError(method, path, response.status, text);
    return shape.parse(JSON.parse(text));
  }
  async function* follow(path: string): AsyncGenerator<SseItem> {
    let lastId = "0";
    for (let failures = 0; failures < MAX_RECONNECTS; failures += 1) {
      try {
        const response = await send("GET", path, { headers: { "last-event-id": lastId } });
        if (response.status === 204) return;
        if (!response.ok || response.body === null) {
          throw new ApiError("GET", path, response.status, await response.text());
        }
        for await (const item of readSse(response.body)) {
          failures = 0;
          lastId = item.id ?? lastId;
          yield item;
          if (item.event === "end") return;
        }
      } catch (error) {
        if (error instanceof ApiError && error.status < 500 && error.status !== 429) throw error;
        console.error(`the stream ${path} broke off, going on from ${lastId}: ${String(error)}`);
      }
      await sleep(RECONNECT_MS);
    }
    throw new Error(`the stream ${path} broke off ${String(MAX_RECONNECTS)} times in a row`);
  }
  return {
    url,
    send,
    follow,
    get: (path, shape) => json("GET", path, shape),
    post: (path, body, shape, headers) => json("POST", path, shape, body, headers),
    delete: (path, shape) => json("DELETE", path, shape),
  };
}

/** A form carries its own content type. */
function encode(body: unknown, headers: Record<string, string>): { body?: BodyInit; headers?: Record<string, string> } {
  if (body === undefined) return {};
  if (body instanceof FormData) return { body };
  return { body: JSON.stringify(body), headers: { "content-type": "application/json", ...headers } };
}
