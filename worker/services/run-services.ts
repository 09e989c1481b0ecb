/** The use-cases of runs, as the edges see them. */
import type { Principal } from "../domain/accounts";
import type { EnvironmentRecord } from "../domain/environments";
import type { Interaction } from "../domain/interaction";
import type { ListedRun, RetrievedRun, RunBody, RunFacet, RunFilter, RunPage } from "../domain/runs";
import type { FacetBucket } from "../domain/runs";
import type { ImportedRuns } from "./import-runs";

/** What a run refers to, whole. */
export interface RunReferences {
  parent: RetrievedRun | null;
  environment: EnvironmentRecord | null;
}

export interface RunServices {
  /** JSON Lines as they stream in: all of its rows are kept, or none and the error names the line. */
  importRuns(principal: Principal, chunks: AsyncIterable<Uint8Array>): Promise<ImportedRuns>;
  /** Of the principal's project; so are all of these. */
  listRuns(principal: Principal, filter: RunFilter, page: RunPage): Promise<ListedRun[]>;
  /** As `listRuns`, with their bodies; throws `invalid_request` when these are too large for one answer. */
  findRuns(principal: Principal, filter: RunFilter, page: RunPage): Promise<RetrievedRun[]>;
  runFacets(
    principal: Principal,
    filter: RunFilter,
    facets: RunFacet[],
  ): Promise<{ total: number; buckets: Map<RunFacet, FacetBucket[]> }>;
  getRun(principal: Principal, id: string | null): Promise<RetrievedRun>;
  runReferences(principal: Principal, run: RetrievedRun): Promise<RunReferences>;
  /** A new run of the same interaction and configuration that has not run yet. */
  cloneRun(principal: Principal, id: string | null, workflow: RunBody["workflow"]): Promise<RetrievedRun>;
  /** Asks a served model and keeps the run; throws naming `env`, `model` or `tags`. */
  runInteraction(principal: Principal, interaction: Interaction): Promise<RetrievedRun>;
}
