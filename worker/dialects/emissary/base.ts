/** What `base_model_option`, `base_model`, `checkpoint` and `hf_model_link` name together, in the domain's words. */
import type { Principal } from "../../domain/accounts";
import { catalogueModel, modelOf, type CatalogueModel } from "../../domain/catalogue";
import { DomainError, invalid } from "../../domain/errors";
import { parseId } from "../../domain/ids";
import type { JobRecord } from "../../domain/job";
import type { JobRequest, Services } from "../../services/services";
import type { CreateTrainingJob } from "./create-job-schema";
import { PREFIX } from "./schema";

type BaseWords = Pick<CreateTrainingJob, "base_model_option" | "base_model" | "checkpoint" | "hf_model_link">;

export interface Base {
  wanted: Pick<JobRequest, "baseModel" | "provider">;
  /** Whose defaults the parameters have; null where the catalogue knows nothing of it. */
  model: CatalogueModel | null;
  /** The field that names it, for what the domain refuses. */
  field: string;
}

const HF_MODEL = "HF_MODEL";
const HUB = /^(?:https?:\/\/)?(?:www\.)?(?:huggingface\.co|hf\.co)\//i;
const MAX_LINK_CHARS = 4096;
/** What a browser's address has behind a model's id: that its files are shown, as they are now. */
const BEHIND_ID = /\/*(?:\/tree\/main\/*)?(?:[?#].*)?$/;
/** As many as a checkpoint's reference may have digits. */
const MAX_CHECKPOINT = 999_999_999;

export async function baseOf(services: Services, principal: Principal, body: BaseWords): Promise<Base> {
  if (body.base_model_option === "fine-tuned") return fineTuned(services, principal, body);
  if (body.checkpoint !== undefined && body.checkpoint !== null) {
    throw invalid("checkpoint", "is for base_model_option fine-tuned");
  }
  return preTrained(body);
}

function preTrained({ base_model: name, hf_model_link: link }: BaseWords): Base {
  if (name === HF_MODEL) return linked(link ?? null);
  if (link !== undefined && link !== null) throw invalid("hf_model_link", `is for base_model ${HF_MODEL}`);
  const model = catalogueModel(name);
  if (!model) {
    throw invalid(
      "base_model",
      `'${shown(name)}' is not a base model; GET /v1/models lists them, ${HF_MODEL} is any other`,
    );
  }
  return { wanted: { baseModel: name }, model, field: "base_model" };
}

/** A hub's page, its id alone, or (which the domain allows in development only) a path on the agent's own host. */
function linked(link: string | null): Base {
  if (link === null) throw invalid("hf_model_link", `is required with base_model ${HF_MODEL}`);
  const field = "hf_model_link";
  if (link.length > MAX_LINK_CHARS) throw invalid(field, `has more than ${String(MAX_LINK_CHARS)} characters`);
  if (link.startsWith("/")) return { wanted: { baseModel: link, provider: "local" }, model: null, field };
  const id = hubId(link);
  if (id.startsWith("job_") || catalogueModel(id)) throw invalid(field, "is no link to a Hugging Face model");
  return { wanted: { baseModel: id }, model: known(id), field };
}

function hubId(link: string): string {
  return link.trim().replace(HUB, "").replace(BEHIND_ID, "");
}

/**
 * The base model that an engine holds: a name of the catalogue, or a Hugging Face model, with its owner, since it is what
 * training jobs of HF_MODEL have; a path of the agent's own host is the domain's to allow.
 */
export function engineBase(text: string, field: string): Pick<JobRequest, "baseModel" | "provider"> {
  if (text.length > MAX_LINK_CHARS) throw invalid(field, `has more than ${String(MAX_LINK_CHARS)} characters`);
  if (text.startsWith("/")) return { baseModel: text, provider: "local" };
  const id = hubId(text);
  if (catalogueModel(text) || id.includes("/")) return { baseModel: catalogueModel(text)?.name ?? id };
  throw invalid(field, `'${shown(text)}' is not a base model; GET /v1/models lists them`);
}

async function fineTuned(services: Services, principal: Principal, body: BaseWords): Promise<Base> {
  const { checkpoint, hf_model_link: link } = body;
  if (link !== undefined && link !== null) throw invalid("hf_model_link", "is for base_model_option pre-trained");
  if (checkpoint === undefined || checkpoint === null) {
    throw invalid("checkpoint", "is required with base_model_option fine-tuned");
  }
  if (!Number.isInteger(checkpoint) || checkpoint < 1 || checkpoint > MAX_CHECKPOINT) {
    throw invalid("checkpoint", "must be the number of a checkpoint, from 1");
  }
  const job = await namedJob(services, principal, body.base_model);
  return {
    wanted: { baseModel: `job_${job.id}@${String(checkpoint)}` },
    model: known(job.spec.lineage?.root ?? job.baseModel),
    field: "base_model",
  };
}

/** By its id whatever its state, or by its name: then the newest success counts. */
async function namedJob(services: Services, principal: Principal, text: string): Promise<JobRecord> {
  const id = parseId(PREFIX.job, text);
  const job = id === null ? await services.newestSuccess(principal, text) : await jobOrNull(services, principal, id);
  if (job?.projectId === principal.projectId) return job;
  throw invalid("base_model", `no training job '${shown(text)}' of this project has succeeded`);
}

/** What a body names and nobody has is a bad request, and not what is not found. */
async function jobOrNull(services: Services, principal: Principal, id: string): Promise<JobRecord | null> {
  try {
    return await services.getJob(principal, id);
  } catch (error) {
    if (error instanceof DomainError && error.code === "not_found") return null;
    throw error;
  }
}

function known(base: string): CatalogueModel | null {
  return catalogueModel(base) ?? modelOf({ kind: "hub", id: base });
}

function shown(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
