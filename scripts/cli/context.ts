/** What every command is given: the clients of the two edges, made when they are first asked for, and how to print. */
import type { Command } from "commander";
import { apiClient, type ApiClient } from "../api";
import { readCredentials } from "./credentials";
import { output, type Output } from "./output";

export interface Context {
  out: Output;
  /** The native dialect, by the account's key. */
  api: ApiClient;
}

export const NATIVE = "/anneal/v1";
/** Below one job of the native dialect. */
export const jobPath = (id: string, rest = ""): string => `${NATIVE}/jobs/${encodeURIComponent(id)}${rest}`;
export const ADMIN = "/admin/v1";

export function contextOf(command: Command): Context {
  const credentials = readCredentials();
  return { out: outputOf(command), api: apiClient(credentials.url, credentials.apiKey()) };
}

/** The admin edge, by the deployment owner's token. */
export function adminContextOf(command: Command): Context {
  const credentials = readCredentials();
  return { out: outputOf(command), api: apiClient(credentials.url, credentials.adminToken()) };
}

function outputOf(command: Command): Output {
  return output(command.optsWithGlobals<{ json?: boolean }>().json === true);
}

/** Options that all lists have, as a query string. */
export function withPaging(command: Command): Command {
  return command.option("--limit <n>", "the most items", "20").option("--after <id>", "the last id of the page before");
}

export function query(values: Record<string, string | undefined>): string {
  const pairs = Object.entries(values).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return pairs.length === 0 ? "" : `?${new URLSearchParams(pairs).toString()}`;
}
