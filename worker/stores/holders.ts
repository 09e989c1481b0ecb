/** Who holds a credential, as a statement for the batch of the first read: what revokes it is seen by every request. */
import { and, eq, getTableColumns, isNull, sql, type SQL, type SQLWrapper } from "drizzle-orm";
import type { BatchItem } from "drizzle-orm/batch";
import type { Principal } from "../domain/accounts";
import type { Credential } from "../domain/ports";
import type { Database } from "./database";
import { apiKeys, projects } from "./schema";

export interface Holder {
  query: BatchItem<"sqlite"> & PromiseLike<unknown>;
  /** Selects the account, which nobody knows yet when the first read is asked for. */
  owner: SQLWrapper;
  /** Of the statement's rows. */
  principal: (rows: unknown) => Principal | null;
}

export function holderOf(db: Database, credential: Credential): Holder {
  switch (credential.kind) {
    case "key":
      return keyHolder(db, credential.sha256);
    case "token":
      return tokenHolder(db, credential);
    case "outside":
      return outsideHolder(db, credential);
  }
}

function keyHolder(db: Database, sha256: string): Holder {
  const live = and(eq(apiKeys.sha256, sha256), isNull(apiKeys.revokedAtMs));
  const query = db.select().from(apiKeys).where(live);
  return {
    query,
    owner: accountOf(db, live),
    principal: of<typeof query>(({ id, ...key }) => ({ ...key, keyId: id })),
  };
}

/** The key must live, and its account must have the token's project. */
function tokenHolder(db: Database, token: Extract<Credential, { kind: "token" }>): Holder {
  const live = and(eq(apiKeys.id, token.keyId), isNull(apiKeys.revokedAtMs));
  const its = and(
    eq(projects.id, token.projectId),
    eq(projects.accountId, apiKeys.accountId),
    isNull(projects.deletedAtMs),
  );
  const query = db
    .select({ ...getTableColumns(apiKeys), tokenProjectId: sql<string>`${projects.id}`.as("token_project_id") })
    .from(apiKeys)
    .innerJoin(projects, its)
    .where(live);
  return {
    query,
    owner: accountOf(db, live),
    principal: of<typeof query>(({ id, tokenProjectId, scopes, ...key }) => ({
      ...key,
      keyId: id,
      projectId: tokenProjectId,
      scopes: scopes.filter((scope) => token.scopes.includes(scope)),
    })),
  };
}

function outsideHolder(db: Database, token: Extract<Credential, { kind: "outside" }>): Holder {
  const { accountId, projectId, subject, scopes } = token;
  const query = db
    .select({ accountId: projects.accountId, projectId: projects.id })
    .from(projects)
    .where(
      and(
        eq(projects.accountId, accountId),
        projectId === null ? undefined : eq(projects.id, projectId),
        isNull(projects.deletedAtMs),
      ),
    )
    .orderBy(projects.id)
    .limit(1);
  return {
    query,
    owner: sql`${accountId}`,
    principal: of<typeof query>((project) => ({ ...project, keyId: subject, scopes, lastUsedAtMs: null })),
  };
}

function accountOf(db: Database, live: SQL | undefined): SQLWrapper {
  return db.select({ id: apiKeys.accountId }).from(apiKeys).where(live);
}

type RowOf<Query> = Query extends PromiseLike<(infer Row)[]> ? Row : never;

/** A batch knows the types of its statements only by their places. */
function of<Query>(made: (row: RowOf<Query>) => Principal): (rows: unknown) => Principal | null {
  return (rows) => {
    const [row] = rows as RowOf<Query>[];
    if (row === undefined) return null;
    const { accountId, projectId, keyId, scopes, lastUsedAtMs } = made(row);
    return { accountId, projectId, keyId, scopes, lastUsedAtMs };
  };
}
