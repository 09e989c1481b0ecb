"""How far user code is confined: the canary on this host, on hosts that lack something, and unconfined."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from anneal_trainer import canary, landlock, libraries, quarters
from anneal_trainer.config import RewardFunction, UserCode
from anneal_trainer.reward_process import RewardProcess

TESTS = Path(__file__).resolve().parent
TRAINER = TESTS.parent
SYSTEM_PYTHON = "/usr/bin/python3"

needs_root = pytest.mark.skipif(quarters.no_spare_uid() is not None, reason=str(quarters.no_spare_uid()))
needs_landlock = pytest.mark.skipif(landlock.why_not() is not None, reason=str(landlock.why_not()))


def verdict(python=sys.executable, lacking=None, private=()):
    without = [] if lacking is None else [sys.executable, str(TESTS / "host_without.py"), lacking]
    done = subprocess.run(
        [*without, python, "-B", "-m", "anneal_trainer.canary", *private],
        env={"PATH": "/usr/bin:/bin", "HOME": os.path.expanduser("~"), "PYTHONPATH": str(TRAINER)},
        stdout=subprocess.PIPE,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


def has_readable_libraries(python):
    check = "from anneal_trainer import libraries; raise SystemExit(libraries.hidden() is not None)"
    done = subprocess.run([python, "-B", "-c", check], env={"PYTHONPATH": str(TRAINER)}, check=False)
    return done.returncode == 0


@needs_root
@needs_landlock
def test_this_host_denies_everything(tmp_path):
    secret = tmp_path / "identity.json"
    secret.touch(mode=0o600)
    found = verdict(private=[str(secret), str(tmp_path)])
    assert found["level"] == 2, found
    tried = {(one["name"], one["target"]): one["score"] for one in found["attempts"]}
    assert tried["read", str(secret)] == tried["list", str(tmp_path)] == 0.0
    assert tried["write_scratch", ""] == 1.0


@needs_landlock
def test_without_a_user_to_change_to_it_is_level_0_and_says_why():
    found = verdict(lacking="users")
    assert found["level"] == 0
    assert "no CAP_" in found["detail"] and "got through: be_user" in found["detail"]
    assert "attempts of level 2 were denied" in found["detail"]


@needs_root
def test_without_landlock_it_is_level_1_when_others_may_read_python():
    python = next((one for one in (sys.executable, SYSTEM_PYTHON) if has_readable_libraries(one)), None)
    if python is None:
        pytest.skip("no interpreter here has libraries that every user may read")
    found = verdict(python, "landlock")
    assert found["level"] == 1
    assert "Landlock is not in this kernel" in found["detail"] and "got through: read" in found["detail"]


@needs_root
def test_without_landlock_a_private_python_is_level_0(tmp_path):
    # pytest's folders are for their owner only.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "python")], check=True)
    found = verdict(str(tmp_path / "python/bin/python"), "landlock")
    assert found["level"] == 0
    assert "install Python where everyone may read" in found["detail"]


def test_without_seccomp_no_user_code_runs():
    found = verdict(lacking="seccomp")
    assert found["level"] is None
    assert "seccomp: Invalid argument" in found["detail"]


def test_every_attempt_gets_through_where_nothing_confines(tmp_path):
    """Else the canary would prove nothing: what it tries must work without confinement."""
    victims = [subprocess.Popen(["sleep", "60"]) for _ in range(2)]
    script = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); import canary_attempts as canary\n"
        "names, targets = json.loads(sys.argv[2])\n"
        "print(json.dumps(canary.reward(names, targets)))"
    )
    # An exec would end the process; big files would fill this disk; the rest needs a confined process to mean anything.
    left_out = {"become_shell", "write_big_file", "list_above_libraries", "find_in_environment"}
    # Not this process and its parent, which tracing would stop.
    pids = {str(pid): str(victim.pid) for pid, victim in zip((os.getpid(), os.getppid()), victims, strict=True)}
    tried = [
        (
            attempt.name,
            "1000"
            if attempt.name == "allocate"
            else "/".join(pids.get(part, part) for part in attempt.target.split("/")),
        )
        for attempt in canary.attempts(tmp_path, [])
        if attempt.name not in left_out
        and (os.geteuid() == 0 or attempt.level != 1)
        and (attempt.name not in ("create", "list") or os.access(attempt.target, os.W_OK))
    ]
    try:
        done = subprocess.run(
            [sys.executable, "-c", script, str(TRAINER / "anneal_trainer"), json.dumps(list(zip(*tried, strict=True)))],
            stdout=subprocess.PIPE,
            check=True,
        )
    finally:
        for victim in victims:
            victim.kill()
            victim.wait()
    denied = [attempt for attempt, score in zip(tried, json.loads(done.stdout), strict=True) if score != 1.0]
    assert denied == []


def start(tmp_path, source):
    path = tmp_path / "reward.py"
    path.write_text(source)
    process = RewardProcess(
        RewardFunction("rf_1", "fn", str(path), "trl", 1.0), UserCode(10, 512 * 1024 * 1024, 10_000)
    )
    process.start()
    process.wait_loaded()
    return process


def score(process):
    return process.call("1", {"prompts": ["p"], "completions": ["c"]}, [{}], 1)


@needs_root
def test_two_processes_have_two_uids_and_leave_nothing(tmp_path):
    source = "import os\ndef reward(completions, **k):\n    open('left', 'w').close()\n    return [os.getuid()]\n"
    first, second = start(tmp_path, source), start(tmp_path, source)
    uids = [score(one).values[0] for one in (first, second)]
    assert uids[0] != uids[1] and 0 not in uids
    folders = [Path(quarters.SCRATCH_ROOT, str(int(uid))) for uid in uids]
    assert all((folder / "left").exists() for folder in folders)
    first.close()
    second.close()
    assert not any(folder.exists() for folder in folders)


@needs_root
def test_scratch_nested_deep_is_removed_and_so_is_that_of_a_killed_trainer(tmp_path):
    source = (
        "import os\ndef reward(completions, **k):\n"
        "    for _ in range(1100):\n        os.mkdir('d')\n        os.chdir('d')\n    return [os.getuid()]\n"
    )
    process = start(tmp_path, source)
    folder = Path(quarters.SCRATCH_ROOT, str(int(score(process).values[0])))
    process.close()
    assert not folder.exists()
    abandoned = Path(quarters.SCRATCH_ROOT, str(quarters.FIRST_UID))
    abandoned.mkdir()
    held = quarters.take()
    held.leave()
    assert not abandoned.exists()


def test_a_trainer_that_is_killed_takes_the_process_with_it(tmp_path):
    path = tmp_path / "reward.py"
    path.write_text("import time\nprint('hangs', flush=True)\ntime.sleep(60)\n")
    script = (
        "import sys; from anneal_trainer.config import RewardFunction, UserCode\n"
        "from anneal_trainer.reward_process import RewardProcess\n"
        "process = RewardProcess(RewardFunction('rf', 'fn', sys.argv[1], 'trl', 1.0), UserCode(30, 1 << 29, 1000))\n"
        "process.start(); print(process._process.pid, flush=True); process.wait_loaded()\n"
    )
    trainer = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], env={"PYTHONPATH": str(TRAINER)}, stdout=subprocess.PIPE, text=True
    )
    pid = int(trainer.stdout.readline())
    assert trainer.stdout.readline() == "hangs\n"
    trainer.kill()
    trainer.wait()
    trainer.stdout.close()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < deadline, "the reward process outlived its trainer"
        time.sleep(0.02)


@needs_root
@needs_landlock
def test_imports_go_on_behind_a_folder_that_its_uid_cannot_enter(tmp_path):
    if libraries.hidden() is None:
        pytest.skip("this interpreter's libraries can be read by everyone")
    source = (
        "def reward(completions, **k):\n    import csv, decimal, encodings.idna, numpy, sqlite3, xml.dom.minidom\n"
        "    return [float(numpy.arange(4).sum())]\n"
    )
    process = start(tmp_path, source)
    scores = score(process)
    process.close()
    assert scores.values == [6.0], scores
