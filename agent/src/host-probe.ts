/**
 * What this machine has, for registration. GPUs are what nvidia-smi names; whether they work is told by a real CUDA
 * call in the trainer's own torch, since hosts exist where nvidia-smi is fine and CUDA is not. Two slots: all GPUs
 * together, or else the CPU, for one task; and the same for serve tasks, which share it (slot-table.ts).
 */
import { execFile } from "node:child_process";
import { availableParallelism, totalmem } from "node:os";
import { promisify } from "node:util";
import { PROTOCOL_VERSION, type RegisterRequest, type SlotInfo } from "../../protocol";
import { findIsolation, type CanaryOptions } from "./canary";
import type { HostFacts } from "./identity";
import { describeError } from "./log";
import { trainerEnv } from "./trainer-env";

const execFileText = promisify(execFile);

/** nvidia-smi answers in a second, in ten when the driver is not resident. */
const NVIDIA_SMI_TIMEOUT_MS = 30_000;
/** Importing torch from a cold disk takes tens of seconds, the first CUDA context more. */
const CUDA_PROBE_TIMEOUT_MS = 180_000;
const CUDA_PROBE =
  "import torch; x = torch.ones(64, 64, device='cuda'); print(torch.version.cuda, float((x @ x).sum()))";
/** Of the GPUs' memory: CUDA itself and what falls between allocations need the rest. */
export const SERVED_SHARE = 0.9;

export interface ProbeOptions extends CanaryOptions {
  readonly name: string;
  readonly version: string;
  readonly python: string;
}

interface GpuFacts {
  readonly gpus: RegisterRequest["gpus"];
  readonly driver: string | null;
}

export async function probeHost(options: ProbeOptions): Promise<HostFacts> {
  const [{ gpus, driver, cudaProbe }, isolation] = await Promise.all([probeGpus(options), findIsolation(options)]);
  return {
    protocol: PROTOCOL_VERSION,
    name: options.name,
    agent_version: options.version,
    gpus,
    driver,
    cpu_count: availableParallelism(),
    memory_bytes: memoryBytes(),
    cuda_probe: cudaProbe,
    isolation,
    slots: slotsOf(gpus, memoryBytes()),
  };
}

async function probeGpus({ python, env }: ProbeOptions) {
  const { gpus, driver } = await listGpus(env);
  return { gpus, driver, cudaProbe: gpus.length > 0 ? await probeCuda(python, env) : null };
}

/** A machine without GPUs serves beside a training, so a half is left to that. */
export function slotsOf(gpus: RegisterRequest["gpus"], memory: number): SlotInfo[] {
  if (gpus.length === 0) {
    const cpu = { kind: "cpu" as const, gpus: [] };
    return [
      { id: "cpu", ...cpu },
      { id: "serve", ...cpu, serve_bytes: Math.floor(memory / 2) },
    ];
  }
  const all = { kind: "gpu" as const, gpus: gpus.map((_, index) => index) };
  const gpuBytes = gpus.reduce((sum, { memory_bytes: bytes }) => sum + bytes, 0);
  return [
    { id: "gpu", ...all },
    { id: "serve", ...all, serve_bytes: Math.floor(gpuBytes * SERVED_SHARE) },
  ];
}

async function listGpus(env: NodeJS.ProcessEnv): Promise<GpuFacts> {
  const args = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"];
  try {
    const { stdout } = await execFileText("nvidia-smi", args, { env, timeout: NVIDIA_SMI_TIMEOUT_MS });
    return parseGpuList(stdout);
  } catch {
    return { gpus: [], driver: null }; // No driver here, or none that answers: a machine without GPUs.
  }
}

/** Rows such as `NVIDIA H100 80GB HBM3, 81559, 550.54.15`; nvidia-smi counts in MiB. */
export function parseGpuList(csv: string): GpuFacts {
  const rows = csv
    .split("\n")
    .map((line) => line.split(",").map((cell) => cell.trim()))
    .filter((cells) => cells.length === 3 && Number.isFinite(Number(cells[1])));
  return {
    gpus: rows.map(([name = "", mib = "0"]) => ({ name, memory_bytes: Number(mib) * 1024 * 1024 })),
    driver: rows[0]?.[2] ?? null,
  };
}

async function probeCuda(python: string, env: NodeJS.ProcessEnv): Promise<{ ok: boolean; detail: string }> {
  try {
    const { stdout } = await execFileText(python, ["-c", CUDA_PROBE], {
      env: trainerEnv(env, {}),
      timeout: CUDA_PROBE_TIMEOUT_MS,
    });
    return { ok: true, detail: `CUDA ${stdout.trim()}`.slice(0, 2000) };
  } catch (error) {
    return { ok: false, detail: describeError(error).slice(-2000) };
  }
}

/** In a container its limit counts, not the machine's memory. */
function memoryBytes(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 && constrained < totalmem() ? constrained : totalmem();
}
