/** Accounts, projects, keys and who is calling. */

export const SCOPES = ["read", "write", "agent", "admin"] as const;
export type Scope = (typeof SCOPES)[number];

/** `last_used_at` is written at most once in this time for a key. */
export const LAST_USED_RESOLUTION_MS = 60_000;

export interface AccountRecord {
  id: string;
  name: string;
  createdAtMs: number;
}

export interface ProjectRecord {
  id: string;
  accountId: string;
  name: string;
  createdAtMs: number;
  description: string | null;
  configuration: Record<string, unknown> | null;
  updatedAtMs: number | null;
  /** null: made of the name. */
  namespace: string | null;
  /** null: made with its account. */
  createdBy: string | null;
  updatedBy: string | null;
}

/** What an update of a project says; what it leaves out stays. */
export interface ProjectUpdate {
  set?: Partial<Pick<ProjectRecord, "name" | "namespace" | "description">>;
  /** Its keys take the place of those of the configuration; the others stay. */
  mergeConfiguration?: Record<string, unknown>;
  by: string;
  nowMs: number;
}

export interface ApiKeyRecord {
  id: string;
  accountId: string;
  projectId: string;
  name: string;
  /** The first characters of the key, for people to tell keys apart. */
  prefix: string;
  scopes: Scope[];
  createdAtMs: number;
  lastUsedAtMs: number | null;
  revokedAtMs: number | null;
}

/** Whoever an authenticated request speaks for. */
export interface Principal {
  accountId: string;
  /** The key's default project. */
  projectId: string;
  keyId: string;
  scopes: Scope[];
  /** As of this request: whether `last_used_at` is due is known without another read. */
  lastUsedAtMs: number | null;
}

/** Who has made or changed a record, as the record says it. */
export function actorOf({ keyId }: Pick<Principal, "keyId">): string {
  return `user:${keyId}`;
}
