/** Calls to a model server on this machine. Time limits are the caller's: a model may take its time. */
import { randomBytes } from "node:crypto";
import { Agent, type Dispatcher } from "undici";
import { jsonObject, type Json } from "./json";
import { ModelRefused } from "./model-server";
import { errorMessage } from "./rewrite-answer";

export class LocalHttp {
  readonly key = randomBytes(32).toString("hex");
  private readonly dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0 });

  constructor(private readonly origin: () => string) {}

  post(path: string, body: Json, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    return this.dispatcher.request({
      origin: this.origin(),
      path,
      method: "POST",
      headers: { authorization: `Bearer ${this.key}`, "content-type": "application/json" },
      body: JSON.stringify(body),
      signal,
    });
  }

  /** An answer that is not 2xx is a ModelRefused. */
  async command(path: string, body: Json, signal: AbortSignal): Promise<unknown> {
    const { statusCode, body: answer } = await this.post(path, body, signal);
    const said = jsonObject(await answer.text()) ?? {}; // vLLM answers some commands with a word.
    if (statusCode >= 400) throw new ModelRefused(errorMessage(said));
    return said;
  }

  async isUp(signal: AbortSignal): Promise<boolean> {
    try {
      const { statusCode, body } = await this.dispatcher.request({
        origin: this.origin(),
        path: "/health",
        method: "GET",
        signal,
      });
      await body.dump();
      return statusCode === 200;
    } catch {
      return false; // Nobody listens there yet.
    }
  }

  close(): Promise<void> {
    return this.dispatcher.destroy();
  }
}
