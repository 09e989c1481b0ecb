/** A whole account with a dataset and an agent, through the real services over real D1, R2 and objects. */
import {
  createExecutionContext,
  runDurableObjectAlarm,
  runInDurableObject,
  waitOnExecutionContext,
} from "cloudflare:test";
import { env } from "cloudflare:workers";
import { createHash } from "node:crypto";
import type {
  ArtifactRole,
  BeginCheckpointRequest,
  BeginCheckpointResponse,
  CommitCheckpointRequest,
  Lease,
  RegisterRequest,
} from "../../protocol";
import { services } from "../../worker/container";
import type { Principal } from "../../worker/domain/accounts";
import type { AgentPrincipal } from "../../worker/domain/agents";
import { DomainError } from "../../worker/domain/errors";
import type { Services } from "../../worker/services/services";

export const ORIGIN = "http://anneal.test";

/** Runs with the services, of a deployment with other settings if so told, and waits for what goes on after the answer. */
export async function using<T>(work: (s: Services) => Promise<T>, settings?: Partial<typeof env>): Promise<T> {
  const ctx = createExecutionContext();
  const result = await work(services(settings ? { ...env, ...settings } : env, (later) => ctx.waitUntil(later)));
  await waitOnExecutionContext(ctx);
  return result;
}

export async function* chunksOf(text: string): AsyncIterable<Uint8Array> {
  yield await Promise.resolve(new TextEncoder().encode(text));
}

export async function newAccount(): Promise<Principal> {
  return using(async (s) => {
    const { key } = await s.createAccount("test");
    return (await s.authenticate(key.key, "write", { kind: "none" })).principal;
  });
}

export const ROWS = Array.from({ length: 8 }, (_, i) => JSON.stringify({ prompt: `p${String(i)}`, completion: "c" }));

export async function newDataset(principal: Principal): Promise<string> {
  const upload = { name: "d", chunks: chunksOf(ROWS.join("\n")), maxBytes: 1e6 };
  return (await using((s) => s.uploadDataset(principal, upload))).id;
}

/** The least that a job asks for. */
export function jobRequest(datasetId: string) {
  return {
    method: "sft_text",
    baseModel: "anneal/tiny-llama",
    datasetId,
    functions: [],
    hyperparameters: {},
    outputName: "out",
  };
}

export async function newJob(principal: Principal, changes: Record<string, unknown> & { datasetId?: string } = {}) {
  const datasetId = changes.datasetId ?? (await newDataset(principal));
  const request = { ...jobRequest(datasetId), gpu: { type: "L4-24GB", count: 1 }, ...changes };
  return using((s) => s.submitJob(principal, request, null));
}

export async function newAgent(principal: Principal): Promise<AgentPrincipal> {
  return (await registeredAgent(principal)).agent;
}

export async function registeredAgent(principal: Principal) {
  return using(async (s) => {
    const { token: bootstrap } = await s.createBootstrapToken(principal.accountId, { ttlSeconds: 60, reusable: false });
    const request: RegisterRequest = {
      protocol: 1,
      nonce: crypto.randomUUID(),
      name: "agent",
      agent_version: "test",
      gpus: [],
      cpu_count: 2,
      memory_bytes: 1e9,
      driver: null,
      cuda_probe: null,
      isolation: { level: 0, detail: "" },
      slots: [CPU_SLOT],
    };
    const { agent_token: token } = await s.registerAgent(bootstrap, request);
    return { agent: await s.authenticateAgent(token), token, bootstrap, request };
  });
}

export const CPU_SLOT = { id: "cpu", kind: "cpu" as const, gpus: [] };

export async function claim(agent: AgentPrincipal, claimId: string = crypto.randomUUID()): Promise<Lease | null> {
  const request = { claim_id: claimId, free_slots: [CPU_SLOT], wait_ms: 0 };
  return using((s) => s.leaseTask(agent, request, ORIGIN));
}

export async function mustClaim(agent: AgentPrincipal): Promise<Lease> {
  const lease = await claim(agent);
  if (!lease) throw new Error("nothing to lease");
  return lease;
}

export async function reportStarted(agent: AgentPrincipal, lease: Lease, resumedFrom = 0) {
  const started = {
    type: "started" as const,
    ts_ms: Date.now(),
    total_steps: 10,
    resumed_from_step: resumedFrom,
    world_size: 1,
    device: "cpu",
    versions: {},
  };
  return using((s) => s.reportTask(agent, lease.lease_id, { lane: "data", seq: 1, items: [started] }));
}

const hex = (algorithm: string, bytes: Uint8Array) => createHash(algorithm).update(bytes).digest("hex");

const FILE_OF = {
  epoch: { role: "model", path: "model.tar.gz" },
  final: { role: "model", path: "model.tar.gz" },
  resume: { role: "resume", path: "trainer_state.json" },
  test: { role: "results", path: "results.jsonl" },
} as const;

export interface NewFile {
  role: ArtifactRole;
  path: string;
  bytes: Uint8Array;
}

/** Uploads one file in its parts and gives back what the commit needs. */
export async function uploadCheckpoint(
  agent: AgentPrincipal,
  lease: Lease,
  kind: BeginCheckpointRequest["kind"],
  step: number,
  bytes: Uint8Array = new TextEncoder().encode(`weights of step ${String(step)}`),
): Promise<CommitCheckpointRequest> {
  const request = await uploadFiles(agent, lease, { kind, step }, [{ ...FILE_OF[kind], bytes }]);
  return { ...request, ...(kind === "test" ? { results: { exact: step / 100 } } : {}) };
}

export async function uploadFiles(
  agent: AgentPrincipal,
  lease: Lease,
  checkpoint: Pick<BeginCheckpointRequest, "kind" | "step">,
  files: NewFile[],
): Promise<CommitCheckpointRequest> {
  const sizes = files.map(({ role, path, bytes }) => ({ role, path, size: bytes.byteLength }));
  const begun = await using((s) => s.beginCheckpoint(agent, lease.lease_id, { ...checkpoint, files: sizes }, ORIGIN));
  return {
    checkpoint_id: begun.checkpoint_id,
    ...checkpoint,
    epoch: 1,
    world_size: 1,
    torch_threads: 1,
    versions: {},
    files: await Promise.all(files.map((file, index) => putParts(file, begun.files[index]))),
  };
}

async function putParts(
  { bytes, ...file }: NewFile,
  begun: BeginCheckpointResponse["files"][number] | undefined,
): Promise<CommitCheckpointRequest["files"][number]> {
  if (!begun) throw new Error("no file to upload");
  const parts: CommitCheckpointRequest["files"][number]["parts"] = [];
  let at = 0;
  for (const { number, size, url } of begun.parts) {
    const slice = bytes.subarray(at, at + size);
    at += size;
    const token = new URL(url).pathname.split("/").at(-1) ?? "";
    const md5 = createHash("md5").update(slice).digest();
    const { etag } = await using((s) => s.putPart(token, new Blob([slice]).stream(), md5.toString("base64")));
    parts.push({ number, size, md5: md5.toString("hex"), etag });
  }
  return { ...file, size: bytes.byteLength, sha256: hex("sha256", bytes), upload: begun.upload, parts };
}

/** `ok`, or the code of the DomainError that `work` threw. */
export async function code(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "ok";
  } catch (error) {
    return error instanceof DomainError ? error.code : String(error);
  }
}

/** Lets the lease run out and rings the object's alarm. */
export async function expire(jobId: string): Promise<void> {
  const object = env.JOB.getByName(jobId);
  await runInDurableObject(object, async (_, state) => {
    const expiresAtMs = Date.now() - 1;
    state.storage.sql.exec("UPDATE lease SET expires_at_ms = ?", expiresAtMs);
    state.storage.sql.exec("UPDATE timers SET at_ms = ? WHERE name = 'lease'", expiresAtMs);
    await state.storage.setAlarm(Date.now() + 60_000);
  });
  await runDurableObjectAlarm(object);
}
