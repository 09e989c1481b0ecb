"""No trainer outlives its agent: a thread reads the life pipe, and at its end kills all that this process started.

Reward processes are in the trainer's own process group, where whoever kills the group finds them; they also die with
their parent by the kernel's hand (see `sandbox`), when SIGKILL leaves no time. They are registered here for a trainer
that a person runs by hand and that is not its group's leader.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import NoReturn

_children: set[int] = set()


def watch(fd: int) -> None:
    """Start the thread that ends everything when the other end of `fd` is closed."""
    threading.Thread(target=_wait, args=(fd,), name="life", daemon=True).start()


def add_child(pid: int) -> None:
    """Remember a child that is to be killed with this process."""
    _children.add(pid)


def kill_child(pid: int) -> None:
    """Kill a child at once; one that is gone already is fine."""
    _children.discard(pid)
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def end_everything() -> NoReturn:
    """Kill every child, then our own group: no clean-up, because whoever would read its result is gone."""
    for pid in list(_children):
        kill_child(pid)
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


def _wait(fd: int) -> None:
    try:
        while os.read(fd, 4096):
            pass
    except ConnectionError:
        pass  # The agent's pipes are socket pairs: a reset is its end too.
    end_everything()
