"""Where one process of user code lives: a uid that nothing else on this host has, if there is one, and its scratch.

The uid is held by binding an abstract socket of its name, which the kernel lets go of when the trainer dies, however it
dies. Scratch of a uid is not in the task's folder: a spare uid must reach it, and must not reach the task.
"""

from __future__ import annotations

import os
import pwd
import secrets
import socket
import stat
import subprocess
import tempfile
from functools import cache

from . import landlock, libraries
from .failures import TrainerFailure

# systemd's table of uids calls these unused; they are below 65536, so that containers with mapped users have them too.
FIRST_UID, UID_COUNT = 60706, 478
SCRATCH_ROOT = "/tmp/anneal-scratch"
# To change users, give the scratch away, clear it, and end what runs there.
_CAPABILITIES = {"CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_KILL": 5, "CAP_SETGID": 6, "CAP_SETUID": 7}


@cache
def no_spare_uid() -> str | None:
    """Why user code runs as the trainer's own user on this host; None when it gets a uid of its own."""
    effective = int(_status_of("self")["CapEff"], 16)
    absent = [name for name, bit in _CAPABILITIES.items() if not effective >> bit & 1]
    if absent:
        return f"the agent may not change users (it has no {', '.join(absent)}): run it as root"
    if not all(_is_mapped(f"/proc/self/{kind}_map") for kind in ("uid", "gid")):
        return f"this user namespace has no uids {FIRST_UID} to {FIRST_UID + UID_COUNT - 1}"
    if (barrier := libraries.hidden()) is not None and landlock.abi() == 0:
        return f"another user cannot read Python's libraries behind {barrier}: install Python where everyone may read"
    return None


class Quarters:
    """The uid (None: the trainer's own) and scratch folder of one process, until `leave`."""

    def __init__(self, uid: int | None, scratch: str, hold: socket.socket | None):
        self.uid, self.scratch, self._hold = uid, scratch, hold

    def give(self, path: str, name: str) -> str:
        """Copy a file in for user code to read; its path there."""
        copy = os.path.join(self.scratch, name)
        with open(path, "rb") as source, open(copy, "wb") as target:
            target.write(source.read())
        os.chmod(copy, 0o644)
        return copy

    def leave(self) -> None:
        """Remove the scratch and free the uid; its process must have ended."""
        _remove(self.scratch)
        if self._hold is not None:
            self._hold.close()


def take() -> Quarters:
    """A uid and a scratch folder for one process."""
    if no_spare_uid() is not None:
        return Quarters(None, tempfile.mkdtemp(prefix="anneal-reward-"), None)
    _make_scratch_root()
    running = _uids_in_use()
    first = secrets.randbelow(UID_COUNT)
    for step in range(UID_COUNT):
        uid = FIRST_UID + (first + step) % UID_COUNT
        if uid in running or _has_account(uid):
            continue
        hold = _hold(uid)
        if hold is None:
            continue
        scratch = os.path.join(SCRATCH_ROOT, str(uid))
        _remove(scratch)
        os.mkdir(scratch, 0o700)
        os.chown(scratch, uid, uid)
        _clear_abandoned()
        return Quarters(uid, scratch, hold)
    raise TrainerFailure("trainer_error", f"All {UID_COUNT} uids for user code are in use on this host")


def _make_scratch_root() -> None:
    try:
        os.mkdir(SCRATCH_ROOT, 0o711)
        os.chmod(SCRATCH_ROOT, 0o711)
    except FileExistsError:
        found = os.lstat(SCRATCH_ROOT)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise TrainerFailure("trainer_error", f"{SCRATCH_ROOT} is not this agent's own folder: remove it") from None


def _clear_abandoned() -> None:
    """Scratch that a killed trainer left: that whose uid nobody holds."""
    for name in os.listdir(SCRATCH_ROOT):
        if name.isdigit() and (hold := _hold(int(name))) is not None:
            _remove(os.path.join(SCRATCH_ROOT, name))
            hold.close()


def _hold(uid: int) -> socket.socket | None:
    hold = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        hold.bind(f"\0anneal-uid-{uid}")
    except OSError:
        hold.close()
        return None
    return hold


def _remove(folder: str) -> None:
    if not os.path.lexists(folder):
        return
    # Not shutil: what user code has nested a thousand deep is more than its recursion takes.
    subprocess.run(["rm", "-rf", "--", folder], check=False, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _has_account(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _uids_in_use() -> set[int]:
    uids = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                uids.update(int(uid) for uid in _status_of(name)["Uid"].split())
            except (FileNotFoundError, ProcessLookupError):
                continue  # It has ended since.
    return uids


def _status_of(pid: str) -> dict[str, str]:
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        return dict(line.rstrip("\n").split(":", 1) for line in file if ":" in line)


def _is_mapped(path: str) -> bool:
    with open(path, encoding="ascii") as file:
        ranges = [[int(number) for number in line.split()] for line in file]
    return any(inside <= FIRST_UID and inside + count >= FIRST_UID + UID_COUNT for inside, _, count in ranges)
