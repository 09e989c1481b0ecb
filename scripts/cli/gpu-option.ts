import { InvalidArgumentError } from "commander";

/** `L4-24GB:2`; without a number, one. */
export function parseGpu(text: string): { type: string; count: number } {
  const [type = "", count = "1"] = text.split(":");
  if (type === "" || !/^\d+$/.test(count)) throw new InvalidArgumentError("must be a type, or type:count");
  return { type, count: Number(count) };
}
