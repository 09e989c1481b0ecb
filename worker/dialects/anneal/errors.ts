/** The native error shape, with the native names of fields that the domain calls otherwise. */
import type { Failure } from "../../http/failure";
import { nativeError, renderNativeError } from "../../http/native-errors";

export const errorSchema = nativeError;

/** The domain speaks of the one reward function that most dialects have. */
const FIELD_NAMES: Record<string, string> = { reward_function_id: "functions" };

export function renderError(failure: Failure): object {
  const { field } = failure.detail;
  const native = field === undefined ? undefined : FIELD_NAMES[field];
  if (field === undefined || native === undefined) return renderNativeError(failure);
  const message = failure.message.replace(`${field}: `, `${native}: `);
  return renderNativeError({ ...failure, message, detail: { ...failure.detail, field: native } });
}
