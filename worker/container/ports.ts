/** What stands behind the services' ports: stores, signers, queues and objects, built of the bindings. */
import type { Faults } from "../domain/faults";
import { newId } from "../domain/ids";
import type { Clock, Ids, Later } from "../domain/ports";
import { configOf, type Env } from "../env";
import { ObjectAgentDirectory, ObjectEngineDoors, ObjectJobDoors, ObjectUploadSessions } from "../objects/doors";
import { WorkerDispatchQueue } from "../queues/dispatch";
import { WorkerVerifyQueue } from "../queues/verify";
import { D1AccountStore } from "../stores/account-store";
import { D1AgentStore } from "../stores/agent-store";
import { D1CheckpointStore, D1DatasetStore, D1FunctionStore } from "../stores/artifact-stores";
import { D1BegunStore } from "../stores/begun-store";
import { R2BlobStore } from "../stores/blob-store";
import { databases } from "../stores/database";
import { D1DeletionStore } from "../stores/deletion-store";
import { D1DeploymentStore } from "../stores/deployment-store";
import { digestStream, md5Base64, RunningDigest, sha256Hex, toHex } from "../stores/digests";
import { D1EngineStore } from "../stores/engine-store";
import { D1EnvironmentStore } from "../stores/environment-store";
import { D1JobStore } from "../stores/job-store";
import { JwtKeys } from "../stores/jwt-keys";
import { JoseJwts } from "../stores/jwts";
import { D1KeyStore } from "../stores/key-store";
import { R2ManifestStore } from "../stores/manifest-store";
import { HmacModuleKeys } from "../stores/module-keys";
import { D1ModuleSessionStore } from "../stores/module-session-store";
import { R2MultipartStore } from "../stores/multipart-store";
import { D1RunImportStore } from "../stores/run-import-store";
import { D1RunStore } from "../stores/run-store";
import { SecretBox } from "../stores/secret-box";
import { SignedTokens } from "../stores/signed-tokens";
import { AgentTokenSigner, UploadUrlSigner, WorkerUrlSigner } from "../stores/signers";
import { D1SigningKeyStore } from "../stores/signing-key-store";
import { R2SpecStore } from "../stores/spec-store";
import { D1TrainingSessionStore } from "../stores/training-session-store";
import { D1UploadStore } from "../stores/upload-store";

export const clock: Clock = { nowMs: () => Date.now() };

const ids: Ids = {
  next: () => newId(clock.nowMs()),
  randomHex: (bytes) => toHex(crypto.getRandomValues(new Uint8Array(bytes))),
};

const jwtsByEnv = new WeakMap<Env, JoseJwts>();

/** One for an isolate: it keeps the keys that it has read. */
function jwtsOf(env: Env): JoseJwts {
  const known = jwtsByEnv.get(env);
  if (known) return known;
  const { signingKey, audience, outsideIssuer } = configOf(env);
  const keys = new JwtKeys(new D1SigningKeyStore(databases(env.DB)), new SecretBox(signingKey), clock);
  const made = new JoseJwts(keys, clock, audience, outsideIssuer);
  jwtsByEnv.set(env, made);
  return made;
}

/** Everything that stands behind the services' ports. */
export function ports(env: Env, later: Later, faults: Faults) {
  const config = configOf(env);
  const dbs = databases(env.DB);
  const tokens = new SignedTokens(config.signingKey);
  const blobs = new R2BlobStore(env.BUCKET);
  return {
    accounts: new D1AccountStore(dbs),
    keys: new D1KeyStore(dbs),
    jwts: jwtsOf(env),
    datasets: new D1DatasetStore(dbs),
    functions: new D1FunctionStore(dbs),
    jobs: new D1JobStore(dbs),
    checkpoints: new D1CheckpointStore(dbs),
    begun: new D1BegunStore(dbs),
    deletions: new D1DeletionStore(dbs),
    agents: new D1AgentStore(dbs),
    engines: new D1EngineStore(dbs),
    deployments: new D1DeploymentStore(dbs),
    engineDoors: new ObjectEngineDoors(env.ENGINE),
    environments: new D1EnvironmentStore(dbs),
    trainingSessions: new D1TrainingSessionStore(dbs),
    uploads: new D1UploadStore(dbs),
    runs: new D1RunStore(dbs),
    runImports: new D1RunImportStore(dbs),
    moduleSessions: new D1ModuleSessionStore(dbs),
    moduleKeys: new HmacModuleKeys(config.signingKey),
    sessions: new ObjectUploadSessions(env.UPLOAD),
    newDigest: () => new RunningDigest("sha256"),
    digestOf: digestStream,
    md5Of: md5Base64,
    blobs,
    multipart: new R2MultipartStore(env.BUCKET),
    manifests: new R2ManifestStore(blobs),
    specs: new R2SpecStore(blobs),
    urls: new WorkerUrlSigner(tokens, clock),
    uploadUrls: new UploadUrlSigner(tokens, clock),
    tokens: new AgentTokenSigner(tokens, clock),
    queue: new WorkerDispatchQueue(env.DISPATCH),
    verifyQueue: new WorkerVerifyQueue(env.VERIFY),
    doors: new ObjectJobDoors(env.JOB),
    directory: new ObjectAgentDirectory(env.AGENT),
    settings: config.settings,
    secrets: new SecretBox(config.signingKey),
    pause: (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms)),
    random: () => Math.random(),
    ...{ clock, ids, later, faults, sha256Hex },
  };
}

export type Ports = ReturnType<typeof ports>;
