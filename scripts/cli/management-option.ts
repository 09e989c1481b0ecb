/** When an engine holds its agents, and which, as options. */
import { InvalidArgumentError, type Command } from "commander";
import { parseGpu } from "./gpu-option";

const DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

export interface PlacementOptions {
  idle?: number;
  always?: boolean;
  schedule?: object;
  replicas?: number;
  gpu?: { type: string; count: number };
  provider?: string;
}

export function withManagement(command: Command): Command {
  return command
    .option("--idle <seconds>", "give the agents back when no request has come for so long (3600)", parseCount)
    .option("--always", "hold them until `engines deactivate`")
    .option(
      "--schedule <when>",
      'hold them at these hours, such as "Europe/Berlin 08:00-18:00 mon,tue"; every day by default',
      parseSchedule,
    )
    .option("--replicas <n>", "how many agents serve it", parseCount);
}

export function withPlacement(command: Command): Command {
  return withManagement(command)
    .option("--gpu <type[:count]>", "such as L4-24GB:1", parseGpu)
    .option("--provider <name>", "the cheapest by default");
}

/** What of these a request says; those that were not given are undefined. */
export function placementOf(options: PlacementOptions): Record<string, unknown> {
  const { idle, always, schedule, replicas, gpu, provider } = options;
  const timeout = idle === undefined ? undefined : { kind: "inactive_timeout", seconds: idle };
  return { management: always === true ? { kind: "none" } : (schedule ?? timeout), replicas, gpu, provider };
}

function parseCount(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("must be a whole number above 0");
  return Number(text);
}

function parseSchedule(text: string): object {
  const [timezone = "", hours = "", days = "", ...more] = text.trim().split(/\s+/);
  const [start_time, end_time, ...others] = hours.split("-");
  if (!start_time || !end_time || others.length + more.length > 0) {
    throw new InvalidArgumentError('must be like "Europe/Berlin 08:00-18:00 mon,tue"');
  }
  return { kind: "schedule", timezone, start_time, end_time, days: days === "" ? DAYS : days.split(",").map(dayOf) };
}

/** By as many of its letters as tell it from the others. */
function dayOf(text: string): string {
  const [day, ...others] = DAYS.filter((name) => text.length > 1 && name.startsWith(text.toLowerCase()));
  if (day === undefined || others.length > 0) throw new InvalidArgumentError(`'${text}' is no day, such as mon`);
  return day;
}
