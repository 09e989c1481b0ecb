/** Runs an ad-hoc prompt on a model that is served, waits for the answer, and keeps both as a run. */
import type { Principal } from "../domain/accounts";
import { parseDeployedModel } from "../domain/deployed-model";
import type { ServedModel } from "../domain/engines";
import type { EnvironmentRecord } from "../domain/environments";
import { DomainError, invalid } from "../domain/errors";
import { parseId } from "../domain/ids";
import { plainTags } from "../domain/imported-run";
import type { DeploymentStore, EnvironmentStore } from "../domain/ports";
import { recordedRun, type Answered } from "../domain/recorded-run";
import type { Interaction } from "../domain/interaction";
import type { RetrievedRun } from "../domain/runs";
import type { EngineServices } from "./engine-services";
import type { RunPorts } from "./runs";
import { usableEnvironment } from "./training-sessions";

export interface InteractionPorts extends RunPorts {
  environments: EnvironmentStore;
  deployments: DeploymentStore;
}

/** What asks a model, and finds one that is called by its own name. */
export type Models = Pick<EngineServices, "infer" | "serverlessModel">;

const ID_PREFIX = "run-";

/** Throws naming `env`, `model` or `tags`; what the model refuses as it refuses it. */
export async function runInteraction(
  ports: InteractionPorts,
  models: Models,
  principal: Principal,
  interaction: Interaction,
): Promise<RetrievedRun> {
  const tags = plainTags(interaction.tags);
  const environment = await usableEnvironment(ports, principal, interaction.environmentId);
  const model = modelOf(interaction, environment);
  const served = await servedModel(ports, models, principal, model);
  const body = { ...interaction.options, messages: interaction.prompt };
  const startedAtMs = ports.clock.nowMs();
  const response = await models.infer(principal, served, {
    ...{ endpoint: "chat", body, stream: false, model, idPrefix: ID_PREFIX, store: null },
  });
  const answer = await response.json<ChatAnswer>();
  const answered = { ...answerOf(answer), error: null, startedAtMs, endedAtMs: ports.clock.nowMs() };
  // The run has the id under which the deployment has logged the request.
  const id = parseId(ID_PREFIX, answer.id) ?? ports.ids.next();
  const store = { interaction: interaction.name, environmentId: environment.id, tags };
  const run = recordedRun(id, { principal, store, endpoint: "chat", model, body }, answered);
  const { parameters, workflow } = interaction;
  await ports.runs.add([
    {
      ...run,
      body: { ...run.body, ...(parameters === undefined ? {} : { parameters }), ...(workflow && { workflow }) },
    },
  ]);
  const kept = await ports.runs.get(principal, id);
  if (!kept) throw new DomainError("conflict", "the project was deleted while the model answered");
  return kept;
}

function modelOf({ model }: Interaction, { defaultModel }: EnvironmentRecord): string {
  const named = model ?? defaultModel;
  if (named === null) throw invalid("model", "is required: the environment has no default_model");
  return named;
}

/** By a deployment's name or id, a job's id (its newest deployment), or a model of the catalogue that answers by its name. */
async function servedModel(
  { deployments }: InteractionPorts,
  models: Models,
  principal: Principal,
  model: string,
): Promise<ServedModel> {
  const { accountId } = principal;
  const id = parseId("dep_", model);
  const found =
    (await (id === null ? deployments.named(accountId, model) : deployments.get(accountId, id))) ??
    (await ofJob(deployments, accountId, model)) ??
    (await models.serverlessModel(principal, model));
  if (found && found.deployment.state !== "terminated") return found;
  throw invalid("model", `'${model.slice(0, 200)}' is not served: deploy it first`);
}

const LOOKED_AT = 100;

async function ofJob(deployments: DeploymentStore, accountId: string, model: string): Promise<ServedModel | null> {
  const named = parseDeployedModel(model, "model");
  if (!("jobId" in named) || named.jobId === null) return null;
  const { items } = await deployments.list(accountId, { jobId: named.jobId }, { limit: LOOKED_AT });
  const isMeant = ({ deployment: { state, checkpoint } }: ServedModel) =>
    state !== "terminated" && (named.checkpoint === null || checkpoint === named.checkpoint);
  return items.find(isMeant) ?? null;
}

interface ChatAnswer {
  id: string;
  choices: { message: { content: string | null }; finish_reason: string | null }[];
  usage?: { prompt_tokens: number; completion_tokens: number };
}

function answerOf({ choices, usage }: ChatAnswer): Omit<Answered, "error" | "startedAtMs" | "endedAtMs"> {
  const [choice] = choices;
  return {
    output: choice?.message.content ?? null,
    outputIsCut: false,
    finishReason: choice?.finish_reason ?? null,
    usage: usage ?? null,
  };
}
