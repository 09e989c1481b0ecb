/** The Training Module's states: over every pair of statuses that a session's two tasks can have. */
import { describe, expect, it } from "vitest";
import { JOB_STATUSES, type JobStatus } from "../../worker/domain/job-status";
import { MODULE_STATES, type ModuleState, type ModuleTask } from "../../worker/domain/module-sessions";
import {
  importMessage,
  importState,
  isAllowed,
  moduleState,
  nextStep,
  refusal,
  stateMessage,
  type ModuleAction,
} from "../../worker/domain/module-state";

const RUNS: readonly JobStatus[] = ["queued", "paused", "provisioning", "running", "testing"];
const ACTIONS: readonly ModuleAction[] = ["configure", "upload", "preprocess", "train", "stop", "download"];

const task = (status: JobStatus | null): ModuleTask | null =>
  status === null ? null : { status, reasonMessage: "the disk is full" };
const OPTIONS = [null, ...JOB_STATUSES];
const sessions = OPTIONS.flatMap((before) =>
  OPTIONS.map((after) => ({ before, after, session: { preprocess: task(before), train: task(after) } })),
);

/** DESIGN's table, written down anew. */
function expected(status: JobStatus, words: { runs: ModuleState; completed: ModuleState }): ModuleState {
  if (RUNS.includes(status)) return words.runs;
  if (status === "completed") return words.completed;
  return status === "cancelled" ? "stopped" : "failed";
}

describe("a session's state", () => {
  it("is none without a session", () => {
    expect(moduleState(null)).toBe("none");
    expect(stateMessage(null)).toContain("GET /start_session");
  });

  it.each(sessions)("follows from its tasks: $before, $after", ({ before, after, session }) => {
    const state = moduleState(session);
    expect(MODULE_STATES).toContain(state);
    if (after !== null) expect(state).toBe(expected(after, { runs: "training", completed: "trained" }));
    else if (before !== null)
      expect(state).toBe(expected(before, { runs: "preprocessing", completed: "preprocessed" }));
    else expect(state).toBe("setup");
  });

  it.each(sessions)("tells why it failed, and nothing else of a reason: $before, $after", ({ session }) => {
    expect(stateMessage(session).includes("the disk is full")).toBe(moduleState(session) === "failed");
    expect(stateMessage(session)).toContain(nextStep(session));
  });
});

describe("what may be done", () => {
  it.each(sessions)(
    "follows from the state, and from what was preprocessed: $before, $after",
    ({ before, session }) => {
      const state = moduleState(session);
      const mayRetry = state === "failed" || state === "stopped";
      const isReady = before === "completed";
      const allowed = ACTIONS.filter((action) => isAllowed(action, session));
      const byState: Record<ModuleState, ModuleAction[]> = {
        none: [],
        setup: ["configure", "upload", "preprocess"],
        preprocessing: [],
        preprocessed: ["train"],
        training: ["stop"],
        trained: ["download"],
        stopped: [isReady ? "train" : "preprocess"],
        failed: [isReady ? "train" : "preprocess"],
      };
      expect(allowed).toEqual(byState[state]);
      if (mayRetry) expect(nextStep(session)).toContain(isReady ? "/training/start/" : "/preprocess/");
    },
  );

  it.each(ACTIONS)("is told with the state when it is not: %s", (action) => {
    for (const { session } of sessions.filter((made) => !isAllowed(action, made.session))) {
      const text = refusal(action, session);
      expect(text).toContain(`the state is '${moduleState(session)}'`);
      expect(text).toContain(nextStep(session));
    }
  });
});

describe("an import's state", () => {
  it.each(OPTIONS)("follows from its task: %s", (status) => {
    const state = importState(task(status));
    if (status === null) expect(state).toBe("none");
    else if (RUNS.includes(status)) expect(state).toBe("importing");
    else expect(state).toBe(status === "completed" ? "imported" : "failed");
    expect(importMessage(task(status)).includes("the disk is full")).toBe(state === "failed");
  });
});
