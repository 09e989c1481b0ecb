/** What can be deleted, and what that needs of the world. */

export interface Deletable {
  kind: "dataset" | "function" | "job" | "project";
  accountId: string;
  id: string;
}

/** Deleted for everybody, and not gone yet. */
export type Marked = Deletable & ({ kind: "dataset" | "function"; r2Key: string } | { kind: "job" | "project" });

export interface DeletionStore {
  /** A job of the account that has not ended and needs it: uses it, builds on it, is it, or is in it. */
  liveUser(what: Deletable): Promise<string | null>;
  /** An engine in it, or a deployment of a model of it, by its name. Those that are terminated or deleted need nothing. */
  server(what: Deletable): Promise<{ kind: "engine" | "deployment"; name: string } | null>;
  /** The name of a live key whose default project it is. */
  liveKey(projectId: string): Promise<string | null>;
  /** From here on nobody sees it, nor what is in it; false when it is needed or marked already. */
  mark(what: Deletable, nowMs: number): Promise<boolean>;
  /** The oldest of each kind. */
  marked(limit: number): Promise<Marked[]>;
  /** The rows of what is marked, when its bytes are gone; a project's only when nothing in it is left. */
  erase(what: Deletable, nowMs: number): Promise<void>;
}
