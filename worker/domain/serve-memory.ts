/**
 * What serving a base model is thought to need, so that agents share their memory among engines. A guess by the model's
 * name, which says its size more often than not; the agent's own measure of what is free comes on top of it.
 */
import type { BaseModelRef, GpuRequest } from "../../protocol";

const GIB = 2 ** 30;
/** A process with its libraries, and a model of a few megabytes. */
const LEAST_BYTES = GIB / 2;
/** Of a model whose name says no size: one of a billion parameters or two fits. */
const UNKNOWN_BYTES = 6 * GIB;
const BYTES_PER_PARAMETER = 2;
/** For what is computed, and for adapters. */
const OVERHEAD = 1.25;
/** Keys and values of the requests that are worked on. */
const CACHE_BYTES = 2 * GIB;
/** As much of a GPU as agents offer to serve tasks, a little less than all of it. */
const GPU_SHARE = 0.85;

/** Known sizes of models whose names say none, in millions of parameters. */
const MILLIONS: Readonly<Record<string, number>> = {
  "google-bert/bert-base-uncased": 110,
  "sentence-transformers/all-mpnet-base-v2": 110,
  "microsoft/Phi-3-mini-4k-instruct": 3_800,
};

/** Never more than the GPUs have that were asked for: a task that fits nowhere would wait for ever. */
export function serveBytes(base: BaseModelRef, gpu: GpuRequest): number {
  return Math.floor(Math.min(neededBytes(base), gpuBytes(gpu) * GPU_SHARE));
}

function neededBytes(base: BaseModelRef): number {
  if (base.kind === "builtin") return LEAST_BYTES;
  const millions = base.kind === "hub" ? millionsOf(base.id) : null;
  if (millions === null) return UNKNOWN_BYTES;
  const cacheBytes = millions < 500 ? LEAST_BYTES : CACHE_BYTES;
  return millions * 1e6 * BYTES_PER_PARAMETER * OVERHEAD + cacheBytes;
}

/** `…-7B-…`, `…0.5b…`, `…-135M`: the last one of the name, as makers have it behind the family's own numbers. */
function millionsOf(id: string): number | null {
  const known = MILLIONS[id];
  if (known !== undefined) return known;
  const sizes = [...id.matchAll(/(?<![\w.])(\d+(?:\.\d+)?)([bm])(?![a-z0-9])/gi)];
  const [, digits = "", unit = ""] = sizes.at(-1) ?? [];
  if (digits === "") return null;
  return Number(digits) * (unit.toLowerCase() === "b" ? 1000 : 1);
}

/** `A100-80GB` has 80. */
function gpuBytes({ type, count }: GpuRequest): number {
  const gib = Number(/-(\d+)GB$/.exec(type)?.[1] ?? 0);
  return gib * GIB * count;
}
