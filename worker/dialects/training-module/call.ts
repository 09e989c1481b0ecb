/** What the services are asked with: the account's active session, as it was read together with the key. */
import type { Call } from "../../http/define-route";
import type { FirstRead } from "../../domain/ports";
import type { DownloadRequest } from "../../services/download-blob";
import type { KeyedModuleCall, ModuleCall } from "../../services/module-services";

export const readSession = (): FirstRead => ({ kind: "module" });

export function sessionOf({
  principal,
  first,
}: Pick<Call<unknown, unknown, unknown>, "principal" | "first">): ModuleCall {
  return { principal, session: first.module };
}

export function keyedOf(
  call: Pick<Call<{ key: string }, unknown, unknown>, "principal" | "first" | "params">,
): KeyedModuleCall {
  return { ...sessionOf(call), key: call.params.key };
}

/** Of a file that honours Range and If-None-Match. */
export const DOWNLOAD_ANSWERS = { 206: "The range asked for.", 304: "Unchanged." };

export function downloadOf({ method, headers }: Request): DownloadRequest {
  return {
    head: method === "HEAD",
    range: headers.get("range"),
    ifRange: headers.get("if-range"),
    ifNoneMatch: headers.get("if-none-match"),
  };
}
