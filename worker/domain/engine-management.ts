/** An engine's rule and its size, as people send them: each refusal names the field by its place in `management`. */
import { isTimezone } from "./engine-schedule";
import { MAX_REPLICAS, WEEKDAYS, type EngineManagement, type EngineSchedule } from "./engines";
import { invalid } from "./errors";

const MAX_INACTIVE_SECONDS = 30 * 24 * 3600;
const TIME = /^([01][0-9]|2[0-3]):[0-5][0-9]$/;
/** An IANA name; Intl would take an offset too, which has no hours of its own. */
const ZONE_NAME = /^[A-Za-z]/;

export function checkManagement(management: EngineManagement): EngineManagement {
  switch (management.kind) {
    case "none":
      return management;
    case "inactive_timeout": {
      const { seconds } = management;
      if (Number.isInteger(seconds) && seconds >= 1 && seconds <= MAX_INACTIVE_SECONDS) return management;
      throw invalid("inactive_timeout", `must be a whole number of seconds from 1 to ${String(MAX_INACTIVE_SECONDS)}`);
    }
    case "schedule":
      return checkSchedule(management);
  }
}

function checkSchedule(schedule: EngineSchedule): EngineSchedule {
  const { timezone, startTime, endTime, days } = schedule;
  if (!ZONE_NAME.test(timezone) || !isTimezone(timezone)) {
    throw invalid("schedule.timezone", `'${timezone.slice(0, 100)}' is no IANA time zone such as America/Los_Angeles`);
  }
  if (!TIME.test(startTime)) throw invalid("schedule.start_time", "must look like 08:30");
  if (!TIME.test(endTime)) throw invalid("schedule.end_time", "must look like 18:00");
  const unknown = days.find((day) => !WEEKDAYS.includes(day));
  if (unknown !== undefined) throw invalid("schedule.days", `'${unknown}' is no weekday: ${WEEKDAYS.join(", ")}`);
  if (days.length === 0) throw invalid("schedule.days", "name at least one day");
  return { ...schedule, days: WEEKDAYS.filter((day) => days.includes(day)) };
}

export function checkReplicas(replicas: number): number {
  if (Number.isInteger(replicas) && replicas >= 1 && replicas <= MAX_REPLICAS) return replicas;
  throw invalid("replicas", `must be a whole number from 1 to ${String(MAX_REPLICAS)}`);
}
