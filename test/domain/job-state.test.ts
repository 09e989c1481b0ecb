import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { failureReason, USER_REASONS } from "../../protocol";
import type { JobRecord } from "../../worker/domain/job";
import {
  decide,
  isLive,
  isRetried,
  isTerminal,
  JOB_STATUSES,
  MAX_LOST_IN_A_ROW,
  MOVES,
  statusOfReason,
  type JobCommand,
  type JobStatus,
} from "../../worker/domain/job-state";

const EPOCH = 3;
const AGENT = "agent";

function job(status: JobStatus, changes: Partial<JobRecord> = {}): JobRecord {
  return {
    id: "01k00000000000000000000000",
    accountId: "a",
    projectId: "p",
    method: "sft_text",
    status,
    reason: null,
    reasonMessage: null,
    logTail: [],
    progress: 0,
    baseModel: "anneal/tiny-llama",
    datasetId: "d",
    outputName: "o",
    spec: {
      version: 1,
      method: "sft_text",
      base_model: { kind: "builtin", name: "anneal/tiny-llama" },
      dataset_id: "d",
      output_name: "o",
      gpu: { type: "L4-24GB", count: 1 },
      provider: null,
      functions: [],
      hyperparameters: {
        learning_rate: 2e-5,
        num_epochs: 1,
        max_steps: null,
        batch_size: 1,
        global_batch_size: 1,
        max_seq_length: 1024,
        seed: 42,
      },
    },
    specKey: null,
    specSha256: null,
    provider: null,
    gpu: null,
    version: 7,
    lastTid: null,
    lostInARow: 0,
    finalCheckpointId: null,
    pauseRequestedAtMs: null,
    heldMs: 0,
    heldSinceMs: null,
    retryOf: null,
    startJobId: null,
    createdAtMs: 0,
    updatedAtMs: 0,
    startedAtMs: null,
    completedAtMs: null,
    task: { id: "t", kind: "train", epoch: EPOCH, attempt: 2, agentId: AGENT },
    ...changes,
  };
}

const gpu = { type: "L4-24GB", count: 1 };
const COMMANDS: Record<string, JobCommand> = {
  submit: { type: "submit" },
  claim: { type: "claim", agentId: "b", provider: "local", gpu, substitutedBy: null },
  start: { type: "start", epoch: EPOCH, resumedFromStep: 0 },
  test: { type: "test", epoch: EPOCH },
  commit: {
    type: "commit_checkpoint",
    epoch: EPOCH,
    checkpoint: { id: "c", kind: "resume", step: 5, ordinal: null },
  },
  complete: { type: "complete", epoch: EPOCH, step: 9 },
  fail: { type: "fail", epoch: EPOCH, reason: "user_code", message: "m", logTail: [] },
  lose: { type: "lose", epoch: EPOCH, reason: "agent_lost", message: "m", logTail: [] },
  revive: { type: "revive", epoch: EPOCH, agentId: AGENT, wasRunning: false },
  time_out: { type: "time_out", epoch: EPOCH, message: "m" },
  cancel: { type: "cancel" },
  pause: { type: "pause" },
  resume: { type: "resume" },
};

/** What each command does in each status: the status that follows, or the refusal. */
const TABLE: Record<JobStatus, Record<string, string>> = {
  queued: {
    submit: "queued",
    claim: "provisioning",
    start: "!illegal",
    test: "!illegal",
    commit: "!illegal",
    complete: "!illegal",
    fail: "!illegal",
    lose: "!illegal",
    revive: "provisioning",
    time_out: "!illegal",
    cancel: "cancelled",
    pause: "paused",
    resume: "!illegal",
  },
  provisioning: {
    submit: "!illegal",
    claim: "!illegal",
    start: "running",
    test: "!illegal",
    commit: "provisioning",
    complete: "!illegal",
    fail: "failed",
    lose: "queued",
    revive: "!illegal",
    time_out: "timed_out",
    cancel: "cancelled",
    pause: "provisioning",
    resume: "!illegal",
  },
  running: {
    submit: "!illegal",
    claim: "!illegal",
    start: "!illegal",
    test: "testing",
    commit: "running",
    complete: "!no_final_checkpoint",
    fail: "failed",
    lose: "queued",
    revive: "!illegal",
    time_out: "timed_out",
    cancel: "cancelled",
    pause: "running",
    resume: "!illegal",
  },
  testing: {
    submit: "!illegal",
    claim: "!illegal",
    start: "!illegal",
    test: "!illegal",
    commit: "testing",
    complete: "!no_final_checkpoint",
    fail: "failed",
    lose: "queued",
    revive: "!illegal",
    time_out: "timed_out",
    cancel: "cancelled",
    pause: "testing",
    resume: "!illegal",
  },
  paused: {
    submit: "!illegal",
    claim: "!illegal",
    start: "!illegal",
    test: "!illegal",
    commit: "!illegal",
    complete: "!illegal",
    fail: "!illegal",
    lose: "!illegal",
    revive: "!illegal",
    time_out: "!illegal",
    cancel: "cancelled",
    pause: "paused",
    resume: "queued",
  },
  completed: allRefused(),
  failed: allRefused(),
  timed_out: allRefused(),
  cancelled: allRefused(),
};

function allRefused(): Record<string, string> {
  return Object.fromEntries(Object.keys(COMMANDS).map((name) => [name, "!terminal"]));
}

describe("the state table", () => {
  for (const status of JOB_STATUSES) {
    for (const [name, command] of Object.entries(COMMANDS)) {
      it(`${status} × ${name} → ${TABLE[status][name] ?? "?"}`, () => {
        const verdict = decide(job(status), command);
        expect(verdict.ok ? verdict.decision.status : `!${verdict.refusal}`).toBe(TABLE[status][name]);
      });
    }
  }

  it("moves only along MOVES, or stays, and says why with an event", () => {
    const anyJob = fc.record({
      status: fc.constantFrom(...JOB_STATUSES),
      lostInARow: fc.integer({ min: 0, max: 4 }),
      finalCheckpointId: fc.option(fc.constant("c")),
      pauseRequestedAtMs: fc.option(fc.constant(1)),
      startedAtMs: fc.option(fc.constant(1)),
    });
    fc.assert(
      fc.property(anyJob, fc.constantFrom(...Object.values(COMMANDS)), (changes, command) => {
        const before = job(changes.status, changes);
        const verdict = decide(before, command);
        if (!verdict.ok) return;
        const { status, events } = verdict.decision;
        if (status !== before.status) expect(MOVES[before.status]).toContain(status);
        // A wish changes no status and says nothing; what changes a status says so.
        const isWish = ["pause", "resume"].includes(command.type) && status === before.status;
        expect(events.length > 0).toBe(!isWish);
      }),
    );
  });

  it("lets nothing out of a terminal status", () => {
    expect(JOB_STATUSES.filter(isTerminal)).toEqual(["completed", "failed", "timed_out", "cancelled"]);
    expect(JOB_STATUSES.filter(isLive)).toEqual(["provisioning", "running", "testing"]);
  });
});

describe("leases", () => {
  it("refuses every command of another epoch, whatever the status", () => {
    for (const status of JOB_STATUSES) {
      for (const command of Object.values(COMMANDS)) {
        if (!("epoch" in command)) continue;
        const stale = { ...command, epoch: EPOCH - 1 };
        expect(decide(job(status), stale)).toEqual({ ok: false, refusal: "stale_lease" });
      }
    }
  });

  it("gives each claim the next epoch and attempt", () => {
    const verdict = decide(job("queued"), { ...COMMANDS["claim"], type: "claim" } as JobCommand);
    expect(verdict.ok && verdict.decision.task).toEqual({ epoch: EPOCH + 1, attempt: 3, agentId: "b" });
  });

  it("revives only for the agent that held the lease, to running once it has trained, and counts it as lost no more", () => {
    const other: JobCommand = { type: "revive", epoch: EPOCH, agentId: "someone else", wasRunning: false };
    expect(decide(job("queued"), other).ok).toBe(false);
    const running: JobCommand = { type: "revive", epoch: EPOCH, agentId: AGENT, wasRunning: true };
    const verdict = decide(job("queued", { lostInARow: 2 }), running);
    expect(verdict.ok && verdict.decision).toMatchObject({ status: "running", lostInARow: 1 });
  });
});

describe("lost attempts", () => {
  it("fail the job after three in a row without a checkpoint, and a checkpoint starts the count again", () => {
    const third = decide(job("running", { lostInARow: MAX_LOST_IN_A_ROW - 1 }), COMMANDS["lose"] as JobCommand);
    expect(third.ok && third.decision).toMatchObject({ status: "failed", reason: "agent_lost", lostInARow: 3 });
    expect(third.ok && third.decision.events.map((event) => event.type)).toEqual(["attempt_lost", "failed"]);
    const commit = decide(job("running", { lostInARow: 2 }), COMMANDS["commit"] as JobCommand);
    expect(commit.ok && commit.decision.lostInARow).toBe(0);
  });

  it("do not count when the agent was told to go", () => {
    const preempted: JobCommand = { type: "lose", epoch: EPOCH, reason: "preempted", message: "m", logTail: [] };
    const verdict = decide(job("running", { lostInARow: 2 }), preempted);
    expect(verdict.ok && verdict.decision).toMatchObject({ status: "queued", lostInARow: 2 });
  });

  it("complete the job when its final checkpoint is already committed", () => {
    const verdict = decide(job("running", { finalCheckpointId: "c" }), COMMANDS["lose"] as JobCommand);
    expect(verdict.ok && verdict.decision.status).toBe("completed");
  });

  it("queue a job again whose final checkpoint is committed while checkpoints are untested, or pause it as asked", () => {
    const lose = COMMANDS["lose"] as JobCommand;
    for (const status of ["running", "testing"] as const) {
      const verdict = decide(job(status, { finalCheckpointId: "c" }), lose, true);
      expect(verdict.ok && verdict.decision).toMatchObject({ status: "queued", lostInARow: 1 });
    }
    const wished = decide(job("testing", { finalCheckpointId: "c", pauseRequestedAtMs: 1 }), lose, true);
    expect(wished.ok && wished.decision.status).toBe("paused");
    const third = decide(job("testing", { finalCheckpointId: "c", lostInARow: 2 }), lose, true);
    expect(third.ok && third.decision.status).toBe("failed");
  });
});

describe("a wish to pause", () => {
  const wished = { pauseRequestedAtMs: 1 };
  const after = (command: JobCommand, changes: Partial<JobRecord> = wished) => {
    const verdict = decide(job("running", changes), command);
    return verdict.ok ? verdict.decision : verdict.refusal;
  };
  const lose = (reason: "preempted" | "agent_lost"): JobCommand => {
    return { type: "lose", epoch: EPOCH, reason, message: "m", logTail: [] };
  };

  it("is made and withdrawn without a change of status", () => {
    expect(after({ type: "pause" }, {})).toMatchObject({ status: "running", pauseRequested: true, events: [] });
    expect(after({ type: "resume" })).toMatchObject({ status: "running", pauseRequested: false, events: [] });
  });

  it("takes effect when the task is given back, and then no attempt was lost", () => {
    const decision = after(lose("preempted"), { ...wished, lostInARow: 2 });
    expect(decision).toMatchObject({ status: "paused", lostInARow: 2, events: [{ type: "paused" }] });
  });

  it("takes effect when the agent is lost, and counts it", () => {
    const decision = after(lose("agent_lost"));
    expect(decision).toMatchObject({ status: "paused", lostInARow: 1 });
    expect(typeof decision !== "string" && decision.events.map((event) => event.type)).toEqual([
      "attempt_lost",
      "paused",
    ]);
    expect(after(lose("agent_lost"), { ...wished, lostInARow: 2 })).toMatchObject({ status: "failed" });
  });

  it("comes too late for a job that has its model", () => {
    expect(after(lose("preempted"), { ...wished, finalCheckpointId: "c" })).toMatchObject({ status: "completed" });
  });
});

describe("reasons", () => {
  it("give a status each, and only bad luck is tried again", () => {
    for (const reason of failureReason.options) {
      expect(["failed", "timed_out", "cancelled"]).toContain(statusOfReason(reason));
    }
    expect(USER_REASONS.some(isRetried)).toBe(false);
    expect(isRetried("agent_lost")).toBe(true);
  });
});
