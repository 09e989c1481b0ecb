/** What may be logged: the Training Module has its session's key in paths, from which it finds its way into messages. */

/** Of `ModuleKeys` alone. */
const MODULE_KEY = /\btm_[\w-]{43}/g;

export function withoutKeys(text: string): string {
  return text.replace(MODULE_KEY, "tm_<redacted>");
}
