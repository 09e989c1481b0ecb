/** The agents' error shape: `detail` has the facts that an agent acts on, such as the seq that was expected. */
import type { Failure } from "../http/failure";

export function renderAgentError({ code, message, detail }: Failure): object {
  return { error: { code, message, detail: { ...detail.facts, ...(detail.field ? { field: detail.field } : {}) } } };
}
