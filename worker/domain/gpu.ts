/** GPU names: `NAME-<GiB>GB` (DESIGN §1); the names that drivers and providers use are mapped to these and never shown. */
import type { GpuRequest, RegisterRequest, SlotInfo } from "../../protocol";
import { invalid } from "./errors";
import type { SlotOffer, TaskNeeds } from "./agents";
import type { JobRecord } from "./job";

export const GPU_TYPES = [
  "A10-24GB",
  "L4-24GB",
  "RTX4090-24GB",
  "RTX5090-32GB",
  "A40-48GB",
  "A6000-48GB",
  "RTX6000Ada-48GB",
  "L40-48GB",
  "L40S-48GB",
  "A100-40GB",
  "A100-80GB",
  "H100-80GB",
  "GH200-96GB",
  "H200-141GB",
  "RTXPRO6000-96GB",
  "B200-180GB",
  "B300-288GB",
] as const;

/** Names without a size that have one plain meaning. */
const ALIASES: Record<string, string> = { H100: "H100-80GB", A100: "A100-80GB", H200: "H200-141GB", L4: "L4-24GB" };

/** The most GPUs that one host offers anywhere we know. */
export const MAX_GPU_COUNT = 8;

/** Parses what a client asks for. Errors name `gpu.type` or `gpu.count`. */
export function parseGpu(type: string, count: number): GpuRequest {
  const canonical = ALIASES[type] ?? type;
  if (!(GPU_TYPES as readonly string[]).includes(canonical)) {
    throw invalid("gpu.type", `unknown GPU type '${type}'; known: ${GPU_TYPES.join(", ")}`);
  }
  if (!Number.isInteger(count) || count < 1 || count > MAX_GPU_COUNT) {
    throw invalid("gpu.count", `must be a whole number from 1 to ${String(MAX_GPU_COUNT)}, the largest host there is`);
  }
  return { type: canonical, count };
}

/** The canonical name of a GPU as its driver calls it, by name and memory; null when it is none that we know. */
export function canonicalGpu(driverName: string, memoryBytes: number): string | null {
  const compact = driverName.replace(/[\s-]/g, "").toUpperCase();
  const gib = memoryBytes / 2 ** 30;
  const named = GPU_TYPES.map((type) => {
    const [name = "", size = "0"] = type.split("-");
    return { type, name: name.toUpperCase(), sizeGb: Number.parseInt(size, 10) };
  })
    .filter((gpu) => compact.includes(gpu.name))
    // Drivers report a little less than the nominal size: the nearest one is meant, the longest name first.
    .sort((a, b) => b.name.length - a.name.length || Math.abs(a.sizeGb - gib) - Math.abs(b.sizeGb - gib));
  return named[0]?.type ?? null;
}

/** What each of an agent's slots offers. */
export function slotOffers(info: RegisterRequest, slots: SlotInfo[]): SlotOffer[] {
  return slots.map((slot) => {
    // A driver that lists a GPU which torch cannot use has nothing to offer.
    const usable = info.cuda_probe?.ok !== false;
    const first = slot.gpus[0] === undefined || !usable ? undefined : info.gpus[slot.gpus[0]];
    return {
      slot,
      gpuType: first ? canonicalGpu(first.name, first.memory_bytes) : null,
      gpuCount: slot.gpus.length,
      serveBytes: slot.serve_bytes ?? null,
    };
  });
}

export function taskNeeds({ spec }: Pick<JobRecord, "spec">): TaskNeeds {
  return { gpuType: spec.gpu.type, gpuCount: spec.gpu.count, serveBytes: spec.serve?.memory_bytes ?? null };
}

/** Whether a slot has what a task needs. In dev and demo (`substitute`) every slot stands in for every GPU. */
export function slotFits(offer: SlotOffer, needs: TaskNeeds, substitute: boolean): boolean {
  if ((offer.serveBytes === null) !== (needs.serveBytes === null)) return false;
  if ((offer.serveBytes ?? 0) < (needs.serveBytes ?? 0)) return false;
  return substitute || (offer.gpuType === needs.gpuType && offer.gpuCount >= needs.gpuCount);
}
