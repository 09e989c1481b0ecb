"""`python -m anneal_trainer.canary [PRIVATE_PATH...]`: how far does this host confine user code? Found out by trying.

A hostile program runs as a reward function, through the very process and confinement that a job's would. The level is
the highest whose attempts, and those of all levels below it, were every one denied; null when even level 0 does not
hold. One line of JSON on stdout: `{level, detail, attempts}`; `detail` names what the host lacks and what got through.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import landlock, quarters, sandbox
from .config import RewardFunction, UserCode
from .failures import TrainerFailure
from .reward_process import RewardProcess, Scores

HIGHEST = 2
LIMITS = UserCode(timeout_seconds=20, memory_bytes=1 << 30, output_bytes=1 << 20)
SECRET = "ANNEAL_CANARY_SECRET"
HUGE_BYTES = 3 << 30
SIGNALS = ("signal", "signal_by_thread", "signal_by_descriptor", "signal_by_file", "signal_by_socket")


@dataclass(frozen=True)
class Attempt:
    """`level` None: what user code must be able to do."""

    level: int | None
    name: str
    target: str = ""


def main(argv: list[str]) -> int:
    """Try, judge, say."""
    out = os.dup(1)
    os.dup2(2, 1)  # What the hostile program prints is not the answer.
    sandbox.die_with_parent(os.getppid())
    os.environ[SECRET] = "1"
    sandbox.hide_from_user_code()
    verdict = examine(argv[1:])
    os.write(out, json.dumps(verdict).encode() + b"\n")
    return 0


def examine(private_paths: list[str]) -> dict[str, object]:
    """The verdict on this host."""
    folder = Path(tempfile.mkdtemp(prefix="anneal-canary-", dir="/tmp"))
    try:
        tried = attempts(folder, private_paths)
        scored = run(tried)
    except TrainerFailure as failure:
        return {"level": None, "detail": failure.message, "attempts": []}
    finally:
        shutil.rmtree(folder)
    if scored.masks:
        mask = scored.masks[0]
        return {"level": None, "detail": f"the canary itself broke: {mask.reason}: {mask.detail}", "attempts": []}
    return judge(tried, scored.values)


def attempts(folder: Path, private_paths: list[str]) -> list[Attempt]:
    """Everything that is tried, with decoys in `folder` for what must not be touched in earnest."""
    folder.chmod(0o755)
    token, shared = folder / "token", folder / "shared"
    for path, mode in ((token, 0o600), (shared, 0o666)):
        path.write_text("decoy")
        path.chmod(mode)
    task = folder / "task"
    task.mkdir(mode=0o700)
    (task / "dataset").write_text("decoy")
    trainer, agent = str(os.getpid()), str(os.getppid())
    home = os.path.expanduser("~")
    return [
        *(Attempt(None, name) for name in ("import_library", "write_scratch")),
        Attempt(0, "find_in_environment", SECRET),
        *(Attempt(0, name) for name in ("connect_inet", "connect_inet6", "connect_unix")),
        *(Attempt(0, name) for name in ("fork", "run_shell", "become_shell", "raise_limits")),
        *(Attempt(0, name, pid) for name in (*SIGNALS, "trace") for pid in (trainer, agent)),
        Attempt(0, "read", f"/proc/{trainer}/environ"),
        Attempt(0, "open_memory", trainer),
        *(Attempt(0, name, str(HUGE_BYTES)) for name in ("allocate", "share_memory", "write_big_file")),
        Attempt(0, "open_descriptors", "1000"),
        Attempt(1, "be_user", str(os.geteuid())),
        Attempt(1, "become_root"),
        *(Attempt(1, name, str(token)) for name in ("read", "write", "truncate")),
        *(Attempt(1, name, str(task)) for name in ("list", "create")),
        Attempt(1, "read", str(task / "dataset")),
        Attempt(1, "read", f"/proc/{agent}/environ"),
        Attempt(1, "open_memory", agent),
        *(Attempt(1, _look(path), path) for path in ("/etc/shadow", *private_paths)),
        *(Attempt(2, name, str(shared)) for name in ("read", "write", "truncate")),
        *(Attempt(2, "list", path) for path in ("/", "/proc", "/tmp", home, str(folder))),
        *(Attempt(2, "create", path) for path in ("/tmp", "/var/tmp", "/dev/shm", home)),
        *(Attempt(2, "read", path) for path in ("/etc/passwd", f"/proc/{agent}/cmdline")),
        Attempt(2, "list_above_libraries"),
    ]


def run(tried: list[Attempt]) -> Scores:
    """Each attempt's score: 1 got through, 0 denied, masked when it is unclear."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "canary_attempts.py")
    process = RewardProcess(RewardFunction("canary", "canary", source, "trl", 1.0), LIMITS)
    try:
        process.start()
        process.wait_loaded()
        arguments: dict[str, object] = {
            "completions": [attempt.name for attempt in tried],
            "target": [attempt.target for attempt in tried],
        }
        return process.call("canary", arguments, [], len(tried))
    finally:
        process.close()


def judge(tried: list[Attempt], scores: list[float | None]) -> dict[str, object]:
    """What the scores prove."""
    faults: dict[int | None, list[str]] = {}
    for attempt, score in zip(tried, scores, strict=True):
        if score != (1.0 if attempt.level is None else 0.0):
            faults.setdefault(attempt.level, []).append(f"{attempt.name} {attempt.target}".strip())
    if None in faults:
        return _verdict(None, f"user code cannot do what it must: {_some(faults[None])}", tried, scores)
    held = next((level - 1 for level in range(HIGHEST + 1) if level in faults), HIGHEST)
    if held == HIGHEST:
        return _verdict(held, f"nothing got through of {len(tried)} attempts", tried, scores)
    reason = {0: quarters.no_spare_uid(), 1: landlock.why_not()}.get(held)
    words = [] if reason is None else [reason]
    words.append(f"got through: {_some(faults[held + 1])}")
    words += [
        f"the attempts of level {level} were denied" for level in range(held + 2, HIGHEST + 1) if level not in faults
    ]
    return _verdict(held if held >= 0 else None, "; ".join(words), tried, scores)


def _look(path: str) -> str:
    return "list" if os.path.isdir(path) else "read"


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _verdict(level: int | None, detail: str, tried: list[Attempt], scores: list[float | None]) -> dict[str, object]:
    attempts = [
        {"level": attempt.level, "name": attempt.name, "target": attempt.target, "score": score}
        for attempt, score in zip(tried, scores, strict=True)
    ]
    return {"level": level, "detail": detail, "attempts": attempts}


if __name__ == "__main__":
    sys.exit(main(sys.argv))
