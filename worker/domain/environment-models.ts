/** The models of an environment: Anneal's catalogue, and whatever else it has enabled. */
import { parseBaseModel } from "./base-model";
import { CATALOGUE, catalogueModel, type CatalogueModel } from "./catalogue";
import type { EnvironmentModel, EnvironmentRecord } from "./environments";
import { invalid } from "./errors";

/** Whoever trains and serves them, whatever the environment's own provider is called. */
const PROVIDER = "anneal";

/** What sessions train by. */
export const SESSION_METHOD = "sft_text";

const TYPE_WORDS: Record<CatalogueModel["type"], string> = {
  chat: "chat",
  completion: "text",
  classification: "classifier",
  embeddings: "embedding",
};

export interface ModelSearch {
  /** In the id, the name or the description, whatever the case. */
  text?: string | undefined;
  type?: string | undefined;
  /** All of them. */
  tags?: string[] | undefined;
  owner?: string | undefined;
}

export function environmentModels(environment: EnvironmentRecord, search: ModelSearch = {}): EnvironmentModel[] {
  const others = environment.enabledModels.filter(({ id }) => catalogueModel(id) === null);
  return [...CATALOGUE.map((model) => described(model, environment)), ...others].filter((model) =>
    matches(model, search),
  );
}

/** Those that a session can name; any other Hugging Face id is good too. */
export function trainableModels(environment: EnvironmentRecord): EnvironmentModel[] {
  return CATALOGUE.filter(({ tasks }) => tasks.includes(SESSION_METHOD)).map((model) => described(model, environment));
}

/** A listed model, or one of the hub. Throws naming `model_id`. */
export function namedModel(environment: EnvironmentRecord, id: string): EnvironmentModel {
  const listed = environmentModels(environment).find((model) => model.id === id);
  if (listed) return listed;
  const base = parseBaseModel(id, { allowPaths: false });
  if (base.kind === "job") throw invalid("model_id", "is a training job's: sessions train on from it as it is");
  return { id, name: id, provider: "huggingface", environment: environment.id };
}

function described(model: CatalogueModel, { id: environment }: EnvironmentRecord): EnvironmentModel {
  const { name, source } = model;
  return {
    id: name,
    name,
    provider: PROVIDER,
    description: source.kind === "hub" ? `${source.id} of Hugging Face` : "made by the trainer on the spot",
    type: TYPE_WORDS[model.type],
    tags: [...model.tasks],
    owner: source.kind === "hub" ? (source.id.split("/")[0] ?? PROVIDER) : PROVIDER,
    status: "available",
    is_custom: false,
    is_multimodal: false,
    input_modalities: ["text"],
    output_modalities: model.isLanguageModel ? ["text"] : [],
    environment,
  };
}

function matches(model: EnvironmentModel, { text, type, tags, owner }: ModelSearch): boolean {
  const words = [model.id, model.name, model.description ?? ""].join("\n").toLowerCase();
  return (
    (text === undefined || words.includes(text.toLowerCase())) &&
    (type === undefined || model.type === type) &&
    (tags ?? []).every((tag) => model.tags?.includes(tag) ?? false) &&
    (owner === undefined || model.owner === owner)
  );
}
