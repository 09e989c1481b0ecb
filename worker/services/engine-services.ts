/** Engines, deployments and inference, as the edges see them. */
import type { ServedDeployments } from "../../protocol";
import type { Principal } from "../domain/accounts";
import type { AgentPrincipal } from "../domain/agents";
import type { DeployedModel } from "../domain/deployed-model";
import type { DeploymentFilter, EngineFilter } from "../domain/engine-ports";
import type { DeploymentRecord, EngineManagement, EngineRecord, ServedModel } from "../domain/engines";
import type { InferenceLogEntry, InferenceMetrics, InferenceRequest } from "../domain/inference";
import type { Page, PageRequest } from "../domain/ports";

export type { DeployedModel };

export interface EngineRequest {
  /** Absent: made of the base model's. */
  name?: string;
  baseModel: string;
  /** Absent: what the catalogue says of the base model, else text-generation. */
  taskType?: string;
  management?: EngineManagement;
  gpu?: { type: string; count: number };
  provider?: string | null;
  replicas?: number;
}

export interface DeploymentRequest {
  /** Absent: `<job's name>-checkpoint-<n>`, or made of the base model's name. */
  name?: string;
  description?: string;
  model: DeployedModel;
  /** `model` as the client wrote it. */
  modelText: string;
  origin: DeploymentRecord["origin"];
}

export interface EngineServices {
  createEngine(principal: Principal, request: EngineRequest): Promise<EngineRecord>;
  listEngines(principal: Principal, filter: EngineFilter, page: PageRequest): Promise<Page<EngineRecord>>;
  getEngine(principal: Principal, id: string): Promise<EngineRecord>;
  configureEngine(
    engine: EngineRecord,
    change: { management?: EngineManagement; replicas?: number },
  ): Promise<EngineRecord>;
  /** With its deployments. */
  deleteEngine(engine: EngineRecord): Promise<void>;
  reactivateEngine(engine: EngineRecord): Promise<EngineRecord>;
  deactivateEngine(engine: EngineRecord): Promise<EngineRecord>;
  /** By engine id: how many deployments each has. */
  deploymentCounts(engines: EngineRecord[]): Promise<Map<string, number>>;

  /** On a given engine, whose base model and task it has to fit. */
  deployOn(principal: Principal, engine: EngineRecord, request: DeploymentRequest): Promise<ServedModel>;
  /** With an engine of its own. */
  createDeployment(
    principal: Principal,
    request: DeploymentRequest,
    engine: Pick<EngineRequest, "management" | "gpu" | "provider" | "replicas">,
  ): Promise<ServedModel>;
  listDeployments(principal: Principal, filter: DeploymentFilter, page: PageRequest): Promise<Page<ServedModel>>;
  getDeployment(principal: Principal, id: string): Promise<ServedModel>;
  /** By its name on this engine; `not_found` otherwise. */
  undeploy(engine: EngineRecord, name: string): Promise<void>;
  /** Wakes its engine, and tries a failed one again; `illegal_transition` when it is deployed or on its way. */
  reactivateDeployment(served: ServedModel): Promise<ServedModel>;
  /** Terminated for good, and its engine with it where that is its own. */
  stopDeployment(served: ServedModel): Promise<ServedModel>;
  /** As stopped, and then nobody sees it any more. */
  deleteDeployment(served: ServedModel): Promise<void>;

  /** Waits for a model that has to come up first. A streamed answer is SSE, else JSON. Errors are DomainErrors. */
  infer(principal: Principal, served: ServedModel, request: InferenceRequest): Promise<Response>;
  /** The engine of a catalogue model that is called by its own name, made by the first call; null: there is no such model. */
  serverlessModel(principal: Principal, name: string): Promise<ServedModel | null>;
  deploymentRequests(served: ServedModel, page: PageRequest): Promise<Page<InferenceLogEntry>>;
  /** By deployment id; of deployments of any number of engines. */
  deploymentMetrics(served: ServedModel[]): Promise<Map<string, InferenceMetrics>>;

  /** The socket of a serve task's agent. */
  connectEngine(
    agent: AgentPrincipal,
    engineId: string,
    query: { lease: string; shard: string },
    request: Request,
  ): Promise<Response>;
  servedDeployments(agent: AgentPrincipal, leaseId: string, origin: string): Promise<ServedDeployments>;
  /** Engines that nobody has looked at for a while. */
  sweepEngines(): Promise<void>;
}
