/**
 * When an engine with a schedule serves. A time of service begins with the first moment of its day at which the zone's
 * clocks show `startTime` or later, and ends after the last one at which they show less than `endTime`: where clocks are
 * put forward over either, it is the moment of the change, and where they are put back over it, an hour counts twice.
 * Zones are the platform's own (Intl).
 */
import type { EngineManagement, EngineSchedule, Weekday } from "./engines";
import { WEEKDAYS } from "./engines";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** So many days before the present one a time of service may have begun that is not over, zones apart from UTC included. */
const DAYS_BEFORE = 3;
/** A week holds every day that a schedule can have; a few more for zones and for times that touch. */
const DAYS_AFTER = 10;

export interface Service {
  isOn: boolean;
  /** When that changes; of a schedule without a gap, the end of what was looked at. */
  changesAtMs: number;
}

/** Whether `schedule` has the engine up at `nowMs`, and until when. */
export function serviceAt(schedule: EngineSchedule, nowMs: number): Service {
  const periods = servicePeriods(schedule, nowMs);
  const present = periods.find(({ beginMs, endMs }) => beginMs <= nowMs && nowMs < endMs);
  if (present) return { isOn: true, changesAtMs: present.endMs };
  const next = periods.find(({ beginMs }) => beginMs > nowMs);
  return { isOn: false, changesAtMs: next?.beginMs ?? nowMs + DAYS_AFTER * DAY_MS };
}

/** When the next time of service begins, whether or not there is one at `nowMs`. */
export function nextBeginMs(schedule: EngineSchedule, nowMs: number): number {
  const next = servicePeriods(schedule, nowMs).find(({ beginMs }) => beginMs > nowMs);
  return next?.beginMs ?? nowMs + DAYS_AFTER * DAY_MS;
}

/** Whether its own rule keeps an engine down at `nowMs`. */
export function isOutOfHours(management: EngineManagement, nowMs: number): boolean {
  return management.kind === "schedule" && !serviceAt(management, nowMs).isOn;
}

interface Period {
  beginMs: number;
  endMs: number;
}

/** Around `nowMs`, in order; those that touch are one. */
function servicePeriods(schedule: EngineSchedule, nowMs: number): Period[] {
  const zone = new Zone(schedule.timezone);
  const start = minutesOf(schedule.startTime);
  const end = minutesOf(schedule.endTime);
  const today = Math.floor(nowMs / DAY_MS);
  const merged: Period[] = [];
  for (let day = today - DAYS_BEFORE; day <= today + DAYS_AFTER; day += 1) {
    if (!schedule.days.includes(weekdayOf(day))) continue;
    const beginMs = zone.firstAt(day * DAY_MS + start * MINUTE_MS);
    const endMs = zone.endBefore((end > start ? day : day + 1) * DAY_MS + end * MINUTE_MS);
    const last = merged.at(-1);
    // A day that a zone has left out, or its hours by a change of the clocks, has no service.
    if (beginMs >= endMs) continue;
    if (last && beginMs <= last.endMs) last.endMs = Math.max(last.endMs, endMs);
    else merged.push({ beginMs, endMs });
  }
  return merged;
}

/** `HH:MM` → minutes. */
function minutesOf(time: string): number {
  const [hours = "0", minutes = "0"] = time.split(":");
  return Number(hours) * 60 + Number(minutes);
}

/** Of the day that begins `day` days after 1970 began, which was a Thursday. */
function weekdayOf(day: number): Weekday {
  return WEEKDAYS[(((day + 3) % 7) + 7) % 7] ?? "monday";
}

/** A zone's clocks. What they show is written as the moment at which UTC's would show it. */
class Zone {
  readonly #format: Intl.DateTimeFormat;

  constructor(timeZone: string) {
    this.#format = new Intl.DateTimeFormat("en-US", {
      ...{ timeZone, hourCycle: "h23", calendar: "gregory", numberingSystem: "latn" },
      ...{ year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" },
    });
  }

  /** The first moment at which the clocks show `shownMs` or later. */
  firstAt(shownMs: number): number {
    const { earlier, later, changeMs } = this.#around(shownMs);
    if (this.#shown(earlier) === shownMs) return earlier;
    return this.#shown(later) === shownMs ? later : changeMs();
  }

  /** The moment after the last one at which the clocks show less than `shownMs`. */
  endBefore(shownMs: number): number {
    const { earlier, later, changeMs } = this.#around(shownMs);
    const isShownTwice = earlier !== later && this.#shown(earlier) === shownMs && this.#shown(later) === shownMs;
    if (isShownTwice) return this.#shown(later - 1) < shownMs ? later : earlier;
    if (this.#shown(later) === shownMs) return later;
    return this.#shown(earlier) === shownMs ? earlier : changeMs();
  }

  /** By what the clocks were ahead of UTC a day before and a day after: no zone is as far from it as that. */
  #around(shownMs: number) {
    const before = this.#aheadMs(shownMs - DAY_MS);
    const after = this.#aheadMs(shownMs + DAY_MS);
    return {
      earlier: shownMs - Math.max(before, after),
      later: shownMs - Math.min(before, after),
      changeMs: () => this.#changeMs(shownMs - DAY_MS, shownMs + DAY_MS, before),
    };
  }

  /** The moment in between at which the clocks are no longer `before` ahead. */
  #changeMs(fromMs: number, toMs: number, before: number): number {
    let [low, high] = [fromMs, toMs];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.#aheadMs(middle) === before) low = middle;
      else high = middle;
    }
    return high;
  }

  #aheadMs(atMs: number): number {
    return this.#shown(atMs) - atMs;
  }

  #shown(atMs: number): number {
    const parts: Record<string, number> = {};
    for (const { type, value } of this.#format.formatToParts(atMs)) parts[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
    const milliseconds = ((atMs % 1000) + 1000) % 1000;
    return Date.UTC(year, month - 1, day, hour, minute, second, milliseconds);
  }
}

/** Whether the platform knows the zone by this name. */
export function isTimezone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en-US", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
