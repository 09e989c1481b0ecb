/** Projects in the dialect's words. Pure. */
import type { z } from "@hono/zod-openapi";
import type { ProjectRecord, ProjectUpdate } from "../../domain/accounts";
import type { project, projectRefs, updateProject } from "./project-schema";
import { audit, projectId } from "./words";

/** Whoever made an account made its first project. */
const SYSTEM = "system";

export function fromProjectRef({ id, name, accountId }: ProjectRecord): z.input<typeof projectRefs>[number] {
  return { id: projectId(id), name, account: accountId };
}

export function fromProject(record: ProjectRecord): z.input<typeof project> {
  const { createdBy, updatedBy, createdAtMs, updatedAtMs } = record;
  return {
    id: projectId(record.id),
    name: record.name,
    namespace: record.namespace ?? namespaceOf(record.name),
    ...(record.description === null ? {} : { description: record.description }),
    account: record.accountId,
    configuration: fromConfiguration(record),
    plugins: [],
    ...audit({
      createdBy: createdBy ?? SYSTEM,
      updatedBy: updatedBy ?? SYSTEM,
      createdAtMs,
      updatedAtMs: updatedAtMs ?? createdAtMs,
    }),
  };
}

/** The client's schema has no project without `embeddings`. */
export function fromConfiguration({ configuration }: ProjectRecord): Record<string, unknown> {
  return { embeddings: {}, ...configuration };
}

/** `My project` → `my-project`. */
function namespaceOf(name: string): string {
  const slug = name.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  return slug.replace(/^-|-$/g, "") || "project";
}

export function toUpdate(body: z.output<typeof updateProject>): Pick<ProjectUpdate, "set" | "mergeConfiguration"> {
  const { name, namespace, description, configuration } = body;
  return {
    set: {
      ...(name === undefined ? {} : { name }),
      ...(namespace === undefined ? {} : { namespace }),
      ...(description === undefined ? {} : { description }),
    },
    ...(configuration && { mergeConfiguration: configuration }),
  };
}
