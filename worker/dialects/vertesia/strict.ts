/** The API version that a request was written for decides how strictly it is held to what its route declares. */
import { invalid } from "../../domain/errors";

const VERSION_HEADER = "x-api-version";
/** From this day's version on, undeclared parameters and properties are refused; without a version too. */
const STRICT_SINCE = 20260803;

export function isStrict(request: Request): boolean {
  const version = request.headers.get(VERSION_HEADER);
  if (version === null) return true;
  if (!/^\d{8}$/.test(version)) throw invalid(VERSION_HEADER, `must be a day, such as ${String(STRICT_SINCE)}`);
  return Number(version) >= STRICT_SINCE;
}
