/**
 * Ids (DESIGN §1): a lower-case ULID whose characters 11 and 12 are the shard code. Records are stored under the bare
 * ULID; each dialect adds its own prefix and accepts only its own form.
 */
import { ulid } from "ulid";

/** All accounts live in one database today; the code is in every id from the first on. */
export const FIRST_SHARD = "00";

/** Of a project, in every dialect and in tokens. */
export const PROJECT_PREFIX = "ms-";

const ULID_PATTERN = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/;

/** A fresh id in `shard`, made at `nowMs`. */
export function newId(nowMs: number, shard: string = FIRST_SHARD): string {
  const id = ulid(nowMs).toLowerCase();
  return id.slice(0, 10) + shard + id.slice(12);
}

/** Crockford's digits, as ULIDs have them. */
const DIGITS = "0123456789abcdefghjkmnpqrstvwxyz";
const COUNTED_CHARS = 5;

/** Ids that follow one another, for records that come together: all of them, and nothing else, are in one range. */
export class IdRange {
  readonly #stem: string;
  #count = 0;

  constructor(fresh: string) {
    this.#stem = fresh.slice(0, -COUNTED_CHARS);
  }

  get count(): number {
    return this.#count;
  }

  next(): string {
    const id = this.at(this.#count);
    this.#count += 1;
    return id;
  }

  at(n: number): string {
    const digits = [...n.toString(DIGITS.length)].map((digit) => DIGITS[parseInt(digit, DIGITS.length)] ?? "");
    return this.#stem + digits.join("").padStart(COUNTED_CHARS, "0");
  }

  get first(): string {
    return this.at(0);
  }

  get last(): string {
    return this.at(DIGITS.length ** COUNTED_CHARS - 1);
  }
}

export function isBareId(text: string): boolean {
  return ULID_PATTERN.test(text);
}

export function shardOf(id: string): string {
  return id.slice(10, 12);
}

/** `job_01k…` with prefix `job_` → `01k…`; anything else → null, which a caller renders as not found. */
export function parseId(prefix: string, text: string): string | null {
  if (!text.startsWith(prefix)) return null;
  const bare = text.slice(prefix.length);
  return isBareId(bare) ? bare : null;
}

/** Lease ids are `<task id>.<epoch>`, so that a lease names its object. */
export function leaseId(taskId: string, epoch: number): string {
  return `${taskId}.${String(epoch)}`;
}

export function parseLeaseId(text: string): { taskId: string; epoch: number } | null {
  const match = /^([0-9a-z]{26})\.([1-9][0-9]{0,8})$/.exec(text);
  if (!match?.[1] || !isBareId(match[1])) return null;
  return { taskId: match[1], epoch: Number(match[2]) };
}
