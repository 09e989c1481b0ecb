/** What services need of the store of runs. */
import type { FacetBucket, ListedRun, RetrievedRun, RunBody, RunFacet, RunFilter, RunPage, RunRecord } from "./runs";

/** A run as building training data reads it. */
export interface TrainingRun {
  /** Its place in the session. */
  n: number;
  id: string;
  status: RunRecord["status"];
  hasResult: boolean;
  body: RunBody;
}

/** Whose runs: a token is for one project and sees that. */
export interface RunOwner {
  accountId: string;
  projectId: string;
}

/** An import of many batches, of which nobody sees anything before its last: all its runs have ids of the range. */
export interface RunImport extends RunOwner {
  firstRunId: string;
  lastRunId: string;
}

/** Each call that keeps runs is one batch: all of them or none. At most some MiB of them. */
export interface RunImportStore {
  /** The first batch, from which on the import is known. */
  begin(begun: RunImport, runs: RunRecord[], nowMs: number): Promise<void>;
  /** A further batch. False: the import was given up, and nothing was kept. */
  add(begun: RunImport, runs: RunRecord[], nowMs: number): Promise<boolean>;
  /** The last batch: with it all of them are seen. False as above. */
  finish(begun: RunImport, runs: RunRecord[]): Promise<boolean>;
  /** Takes away what there is of it, and that it was. */
  undo(begun: RunImport): Promise<void>;
  /** Those that have kept nothing since, the most silent first. */
  silentSince(atMs: number, limit: number): Promise<RunImport[]>;
  /** Gives up one that has kept nothing since, if that is still so, and takes away at most so many of its runs; of the last of them, that it was. */
  sweep(begun: RunImport, silentSinceMs: number, maxRuns: number): Promise<void>;
}

/** Bodies are read at most so many bytes at a time, and one more. */
export const MAX_BODIES_BYTES = 8 * 1024 * 1024;

export interface RunStore {
  /** In the order given, in one batch: all of them or none. At most some MiB of them. */
  add(runs: RunRecord[]): Promise<void>;
  list(owner: RunOwner, filter: RunFilter, page: RunPage): Promise<ListedRun[]>;
  /** Of those of `ids` whose bodies together are within MAX_BODIES_BYTES: maybe not of all. */
  bodies(owner: RunOwner, ids: string[]): Promise<Map<string, RunBody>>;
  /** How many there are of each value, the most first; and of all. */
  facets(
    owner: RunOwner,
    filter: RunFilter,
    facets: RunFacet[],
  ): Promise<{ total: number; buckets: Map<RunFacet, FacetBucket[]> }>;
  get(owner: RunOwner, id: string): Promise<RetrievedRun | null>;
  /** Those of `ids` that are runs of the project. */
  existing(accountId: string, projectId: string, ids: string[]): Promise<string[]>;
  /** Those of `ids` that are environments which the project may use. */
  environments(owner: RunOwner, ids: string[]): Promise<string[]>;
  /** The runs of a session, in the order in which they were added. */
  ofSession(sessionId: string, page: { limit: number; offset: number }): Promise<ListedRun[]>;
  /**
   * The runs of a session with places beyond `afterN`, in order: at most `limit`, and fewer when their bodies are over
   * MAX_BODIES_BYTES. Only an empty answer means that there are no more.
   */
  forTraining(sessionId: string, afterN: number, limit: number): Promise<TrainingRun[]>;
}
