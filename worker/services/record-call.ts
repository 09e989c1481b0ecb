/** `store: true`: the call is kept as a run of the caller's project, whose id is the one in the answer's id. */
import type { RelayDone } from "../../protocol";
import { isBareId } from "../domain/ids";
import type { RelayCall } from "../domain/inference";
import type { Ids, RunStore } from "../domain/ports";
import { recordedRun } from "../domain/recorded-run";

export interface RecordCallPorts {
  runs: Pick<RunStore, "add">;
  ids: Ids;
}

export interface CallOutcome {
  /** null: it did not come to its end. */
  done: RelayDone | null;
  /** Why it failed. */
  error: string | null;
  startedAtMs: number;
  endedAtMs: number;
}

/** Does nothing for a call that is not to be stored. */
export async function recordCall(ports: RecordCallPorts, call: RelayCall, outcome: CallOutcome): Promise<void> {
  const { open, principal, store } = call;
  if (store === null) return;
  const { done, error, startedAtMs, endedAtMs } = outcome;
  const body = JSON.parse(new TextDecoder().decode(call.body)) as Record<string, unknown>;
  const run = recordedRun(
    runIdOf(open.answer.id, ports.ids),
    { principal, store, endpoint: open.endpoint, model: open.answer.model, body },
    {
      output: done?.output ?? null,
      outputIsCut: done?.output_is_cut ?? false,
      finishReason: done?.finish_reason ?? null,
      usage: done?.usage ?? null,
      error: error ?? (done === null ? "the answer did not come to its end" : null),
      startedAtMs,
      endedAtMs,
    },
  );
  await ports.runs.add([run]);
}

const BARE_ID_CHARS = 26;

/** `chatcmpl-01k…` → `01k…`: whoever made the call finds its run by the answer. */
function runIdOf(answerId: string, ids: Ids): string {
  const end = answerId.slice(-BARE_ID_CHARS);
  return isBareId(end) ? end : ids.next();
}
