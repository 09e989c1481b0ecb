/** Times, owners and what names other records, in the dialect's words. Pure. */
import type { z } from "@hono/zod-openapi";
import { PREFIX, type environmentRef } from "./schema";

export function iso(ms: number): string {
  return new Date(ms).toISOString();
}

export function projectId(bare: string): string {
  return PREFIX.project + bare;
}

/** The four fields that every record ends with. */
export function audit(record: { createdBy: string; updatedBy: string; createdAtMs: number; updatedAtMs: number }) {
  return {
    created_by: record.createdBy,
    updated_by: record.updatedBy,
    created_at: iso(record.createdAtMs),
    updated_at: iso(record.updatedAtMs),
  };
}

export function fromEnvironmentRef(environment: {
  id: string;
  name: string;
  provider: string;
}): z.input<typeof environmentRef> {
  return { id: environment.id, name: environment.name, provider: environment.provider };
}
