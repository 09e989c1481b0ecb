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

/** Bodies are read at most so many bytes at a time, and one more. */
export const MAX_BODIES_BYTES = 8 * 1024 * 1024;

export interface RunStore {
  /** In the order given, in one batch: all of them or none. At most some MiB of them. */
  add(runs: RunRecord[]): Promise<void>;
  /** Those with ids from `first` to `last`, which are of one import. */
  removeRange(owner: RunOwner, first: string, last: string): Promise<void>;
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
