/** The native error shape, with the native names of fields that the domain calls otherwise. */
import type { Failure } from "../../http/failure";
import { nativeError, renderNativeError } from "../../http/native-errors";

export const errorSchema = nativeError;

/** The domain speaks of the one reward function that most dialects have, and of an engine's rule by its kind. */
const FIELD_NAMES: Record<string, string> = {
  reward_function_id: "functions",
  inactive_timeout: "management.seconds",
  "schedule.timezone": "management.timezone",
  "schedule.start_time": "management.start_time",
  "schedule.end_time": "management.end_time",
  "schedule.days": "management.days",
};

export function renderError(failure: Failure): object {
  const { field } = failure.detail;
  const native = field === undefined ? undefined : FIELD_NAMES[field];
  if (field === undefined || native === undefined) return renderNativeError(failure);
  const message = failure.message.replace(`${field}: `, `${native}: `);
  return renderNativeError({ ...failure, message, detail: { ...failure.detail, field: native } });
}
