/** Schedules against a reference that looks at the zone's clocks minute by minute, over every kind of change of theirs. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkManagement } from "../../worker/domain/engine-management";
import { nextBeginMs, serviceAt } from "../../worker/domain/engine-schedule";
import { WEEKDAYS, type EngineSchedule, type Weekday } from "../../worker/domain/engines";
import { DomainError } from "../../worker/domain/errors";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

function schedule(timezone: string, startTime: string, endTime: string, days: readonly Weekday[] = WEEKDAYS) {
  return { kind: "schedule", timezone, startTime, endTime, days: [...days] } satisfies EngineSchedule;
}

/** What the zone's clocks show at each minute of a span, as if it were UTC: the slow truth. */
class Clocks {
  readonly #shown: number[] = [];
  readonly #fromMs: number;

  constructor(timeZone: string, fromMs: number, toMs: number) {
    this.#fromMs = fromMs;
    const format = new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "medium" });
    for (let at = fromMs; at < toMs; at += MINUTE_MS) {
      this.#shown.push(Date.parse(`${format.format(at).replace(" ", "T")}Z`));
    }
  }

  /** Whether a time of service that began on one of the days has begun and not ended. */
  isOn({ startTime, endTime, days }: EngineSchedule, atMs: number): boolean {
    const index = Math.floor((atMs - this.#fromMs) / MINUTE_MS);
    const today = Math.floor((this.#shown[index] ?? 0) / DAY_MS);
    return [-2, -1, 0, 1].some((offset) => {
      const day = today + offset;
      const name = new Date(day * DAY_MS)
        .toLocaleDateString("en-US", { weekday: "long", timeZone: "UTC" })
        .toLowerCase();
      if (!days.includes(name as Weekday)) return false;
      const start = day * DAY_MS + of(startTime);
      const end = (of(endTime) > of(startTime) ? day : day + 1) * DAY_MS + of(endTime);
      const first = this.#shown.findIndex((shown) => shown >= start);
      const last = this.#shown.findLastIndex((shown) => shown < end);
      return first !== -1 && first <= index && index <= last;
    });
  }
}

function of(time: string): number {
  const [hours = 0, minutes = 0] = time.split(":").map(Number);
  return (hours * 60 + minutes) * MINUTE_MS;
}

/** Spans of four days around changes of the clocks, and one in which nothing happens. */
const SPANS = (
  [
    ["America/New_York", "2026-03-08T07:00Z"],
    ["America/New_York", "2026-11-01T06:00Z"],
    ["Europe/Berlin", "2026-03-29T01:00Z"],
    ["Europe/Berlin", "2026-10-25T01:00Z"],
    // Half an hour, at the other side of the world.
    ["Australia/Lord_Howe", "2026-04-04T15:00Z"],
    ["Australia/Lord_Howe", "2026-10-03T15:30Z"],
    // A day that never was.
    ["Pacific/Apia", "2011-12-30T10:00Z"],
    ["Asia/Kathmandu", "2026-06-01T00:00Z"],
  ] as const
).map(([zone, change]) => {
  const fromMs = Date.parse(change) - 4 * DAY_MS;
  return { zone, changeMs: Date.parse(change), clocks: new Clocks(zone, fromMs, fromMs + 8 * DAY_MS) };
});

const time = fc
  .tuple(fc.integer({ min: 0, max: 23 }), fc.constantFrom(0, 1, 15, 29, 30, 31, 59))
  .map(([h, m]) => `${String(h).padStart(2, "0")}:${String(m).padStart(2, "0")}`);

describe("a schedule", () => {
  it("is on when the zone's clocks say so, and changes when it says it will", () => {
    const days = fc.uniqueArray(fc.constantFrom(...WEEKDAYS), { minLength: 1 });
    const minute = fc.integer({ min: -36 * 60, max: 36 * 60 });
    fc.assert(
      fc.property(
        fc.constantFrom(...SPANS),
        time,
        time,
        days,
        minute,
        (span, startTime, endTime, someDays, minutes) => {
          const wanted = schedule(span.zone, startTime, endTime, someDays);
          const atMs = span.changeMs + minutes * MINUTE_MS;
          const { isOn, changesAtMs } = serviceAt(wanted, atMs);
          expect(isOn).toBe(span.clocks.isOn(wanted, atMs));
          expect(changesAtMs).toBeGreaterThan(atMs);
          const lastMs = Math.min(changesAtMs, span.changeMs + 40 * 60 * MINUTE_MS) - MINUTE_MS;
          expect(span.clocks.isOn(wanted, lastMs)).toBe(isOn);
          if (changesAtMs < span.changeMs + 40 * 60 * MINUTE_MS)
            expect(span.clocks.isOn(wanted, changesAtMs)).toBe(!isOn);
        },
      ),
      { numRuns: 400 },
    );
  });

  it("keeps its hours over a change of daylight time", () => {
    const office = schedule("America/Los_Angeles", "10:00", "18:00", ["saturday", "sunday"]);
    const saturday = Date.parse("2026-03-07T12:00:00-08:00");
    expect(serviceAt(office, saturday)).toEqual({ isOn: true, changesAtMs: Date.parse("2026-03-07T18:00:00-08:00") });
    const sunday = Date.parse("2026-03-08T10:00:00-07:00");
    expect(nextBeginMs(office, saturday)).toBe(sunday);
    expect(serviceAt(office, sunday).changesAtMs - sunday).toBe(8 * 60 * MINUTE_MS);
    expect(nextBeginMs(office, sunday)).toBe(Date.parse("2026-03-14T10:00:00-07:00"));
  });

  it("begins and ends at the change where the clocks skip its hour, and serves an hour that comes twice both times", () => {
    const skipped = schedule("Europe/Berlin", "02:30", "05:00", ["sunday"]);
    const change = Date.parse("2026-03-29T01:00Z");
    expect(serviceAt(skipped, change - 1).changesAtMs).toBe(change);
    const night = schedule("Europe/Berlin", "02:15", "02:45", ["sunday"]);
    const begin = Date.parse("2026-10-25T00:15Z");
    expect(serviceAt(night, begin)).toEqual({ isOn: true, changesAtMs: begin + 90 * MINUTE_MS });
    // The whole of it is in the hour that is left out.
    expect(serviceAt(night, Date.parse("2026-03-28T12:00Z")).changesAtMs).toBe(Date.parse("2026-04-05T00:15Z"));
  });

  it("goes on over midnight, and without an end where every day touches the next", () => {
    const late = schedule("UTC", "22:00", "06:00", ["friday"]);
    expect(serviceAt(late, Date.parse("2026-01-03T05:59Z")).isOn).toBe(true);
    expect(serviceAt(late, Date.parse("2026-01-03T06:00Z")).isOn).toBe(false);
    const always = schedule("UTC", "00:00", "00:00");
    const nowMs = Date.parse("2026-01-03T05:59Z");
    expect(serviceAt(always, nowMs)).toMatchObject({ isOn: true });
    expect(serviceAt(always, nowMs).changesAtMs - nowMs).toBeGreaterThan(7 * DAY_MS);
  });
});

describe("what people send", () => {
  it.each([
    [{ timezone: "Mars/Olympus" }, "schedule.timezone"],
    [{ timezone: "+05:00" }, "schedule.timezone"],
    [{ startTime: "24:00" }, "schedule.start_time"],
    [{ endTime: "9:00" }, "schedule.end_time"],
    [{ days: [] }, "schedule.days"],
    [{ days: ["Monday"] as unknown as Weekday[] }, "schedule.days"],
  ])("names %j as %s", (change, field) => {
    try {
      checkManagement({ ...schedule("UTC", "10:00", "18:00"), ...change });
      throw new Error("was accepted");
    } catch (error) {
      expect((error as DomainError).detail.field).toBe(field);
    }
  });

  it("takes seconds within bounds, and days in any order once", () => {
    expect(() => checkManagement({ kind: "inactive_timeout", seconds: 0 })).toThrow(DomainError);
    expect(checkManagement({ kind: "inactive_timeout", seconds: 60 })).toEqual({
      kind: "inactive_timeout",
      seconds: 60,
    });
    const twice = schedule("UTC", "10:00", "18:00", ["sunday", "monday", "sunday"]);
    expect(checkManagement(twice)).toMatchObject({ days: ["monday", "sunday"] });
  });
});
