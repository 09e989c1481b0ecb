/** `base_model`, parsed once into a reference (DESIGN §1). Whether what it names exists is asked later, by who can know. */
import type { BaseModelRef } from "../../protocol";
import { BUILT_IN_BASE_MODELS, catalogueModel } from "./catalogue";
import { invalid } from "./errors";
import { parseId } from "./ids";

/** Hugging Face's own bound on each part of a repository id. */
const MAX_HUB_SEGMENT_CHARS = 96;
/** Letters, digits, `.`, `_`, `-`; begins and ends with a letter, a digit or `_`. */
const HUB_SEGMENT = /^\w(?:[\w.-]*\w)?$/;
const MAX_PATH_CHARS = 4096;

/** Errors name `base_model`. `allowPaths` is for jobs on the caller's own machine only. */
export function parseBaseModel(text: string, options: { allowPaths: boolean }): BaseModelRef {
  if (text === "") throw refused("is empty");
  if (/^(\/|~|\.{1,2}(\/|$))/.test(text)) return parsePath(text, options.allowPaths);
  if (text.startsWith("job_") && !text.includes("/")) return parseJob(text);
  return parseName(text) ?? parseHubId(text);
}

/** A name of the catalogue. */
function parseName(text: string): BaseModelRef | null {
  const model = catalogueModel(text);
  if (model) return model.source.kind === "hub" ? model.source : { kind: "builtin", name: text };
  if (!text.startsWith("anneal/")) return null;
  throw refused(`'${shown(text)}' is unknown; built in: ${BUILT_IN_BASE_MODELS.join(", ")}`);
}

function parsePath(text: string, allowPaths: boolean): BaseModelRef {
  if (!allowPaths) throw refused("is a path, and paths are good only with provider 'local' on a dev deployment");
  if (!text.startsWith("/")) throw refused("must be an absolute path, as the agent's machine sees it");
  if (text.length > MAX_PATH_CHARS || text.includes("\0")) throw refused("is not a path");
  return { kind: "path", path: text };
}

/** `job_<id>` is that job's final model; `job_<id>@2` its second epoch checkpoint. */
function parseJob(text: string): BaseModelRef {
  const [idText = "", ordinalText, ...rest] = text.split("@");
  const id = parseId("job_", idText);
  const ordinalIsRight = ordinalText === undefined || /^[1-9][0-9]{0,8}$/.test(ordinalText);
  if (id === null || !ordinalIsRight || rest.length > 0) {
    throw refused("is no job's id: such a reference is job_<id>, or job_<id>@<n> for its n-th checkpoint");
  }
  return ordinalText === undefined
    ? { kind: "job", job_id: id }
    : { kind: "job", job_id: id, ordinal: Number(ordinalText) };
}

function parseHubId(text: string): BaseModelRef {
  const segments = text.split("/");
  if (segments.length > 2 || !segments.every(isHubSegment) || text.endsWith(".git")) {
    throw refused(
      `'${shown(text)}' is not a Hugging Face id (owner/name of letters, digits, '-', '_' and '.'), ` +
        `not job_<id>, and no name of the catalogue (built in: ${BUILT_IN_BASE_MODELS.join(", ")})`,
    );
  }
  return { kind: "hub", id: text };
}

function isHubSegment(segment: string): boolean {
  return (
    segment.length <= MAX_HUB_SEGMENT_CHARS &&
    HUB_SEGMENT.test(segment) &&
    !segment.includes("--") &&
    !segment.includes("..")
  );
}

function shown(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

function refused(message: string): Error {
  return invalid("base_model", `base_model ${message}`);
}
