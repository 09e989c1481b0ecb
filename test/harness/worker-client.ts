/** A client of the whole worker inside workerd: real requests to its real entry, with an account made at the admin edge. */
import { env, exports } from "cloudflare:workers";

/** Only a name: nothing is sent anywhere. */
export const WORKER_URL = "https://anneal.test";

export interface Answer<T = unknown> {
  status: number;
  headers: Headers;
  body: T;
}

export interface Upload {
  fields?: Record<string, string>;
  file?: string | Uint8Array;
  fileName?: string;
}

/** One request, with the answer's body parsed where it is JSON. */
export async function ask<T = unknown>(path: string, init: RequestInit = {}): Promise<Answer<T>> {
  const response = await exports.default.fetch(new Request(new URL(path, WORKER_URL), init));
  const text = new TextDecoder().decode(await response.arrayBuffer());
  const isJson = response.headers.get("content-type")?.includes("json") ?? false;
  return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(text) : text) as T };
}

export class WorkerClient {
  readonly apiKey: string;

  constructor(apiKey: string) {
    this.apiKey = apiKey;
  }

  get<T>(path: string, headers: Record<string, string> = {}): Promise<Answer<T>> {
    return ask<T>(path, { headers: this.#with(headers) });
  }

  delete<T>(path: string): Promise<Answer<T>> {
    return ask<T>(path, { method: "DELETE", headers: this.#with({}) });
  }

  /** A string is sent as it is, so that it may be malformed. */
  post<T>(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer<T>> {
    return ask<T>(path, {
      method: "POST",
      headers: this.#with({ ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers }),
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
  }

  put<T>(path: string, body: BodyInit, headers: Record<string, string> = {}): Promise<Answer<T>> {
    return ask<T>(path, { method: "PUT", headers: this.#with(headers), body });
  }

  upload<T>(path: string, { fields = {}, file, fileName = "file" }: Upload): Promise<Answer<T>> {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.set(name, value);
    if (file !== undefined) form.set("file", new File([file], fileName));
    return ask<T>(path, { method: "POST", headers: this.#with({}), body: form });
  }

  /** For streams: the answer as it is. */
  async raw(path: string, headers: Record<string, string> = {}): Promise<Response> {
    return exports.default.fetch(new Request(new URL(path, WORKER_URL), { headers: this.#with(headers) }));
  }

  #with(headers: Record<string, string>): Record<string, string> {
    return { authorization: `Bearer ${this.apiKey}`, ...headers };
  }
}

/** A client for a fresh account. */
export async function newAccountClient(name = "test account"): Promise<WorkerClient> {
  const answer = await ask<{ api_key: string }>("/admin/v1/accounts", {
    method: "POST",
    headers: { authorization: `Bearer ${env.ANNEAL_ADMIN_TOKEN ?? ""}`, "content-type": "application/json" },
    body: JSON.stringify({ name }),
  });
  if (answer.status !== 201) throw new Error(`no account: ${String(answer.status)} ${JSON.stringify(answer.body)}`);
  return new WorkerClient(answer.body.api_key);
}
