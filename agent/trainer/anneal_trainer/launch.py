"""A job on several GPUs: one process a GPU with torch's usual variables, all in this process group; the first reports.

The launcher only waits: it passes SIGTERM on, and ends the others as soon as one has failed. Not
`accelerate launch`, whose children lose the report and life descriptors and leave this process group: see
docs/decisions.md.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

from .stop import StopSwitch


def launch(config_path: str, processes: int, stop: StopSwitch, report_fd: int, life_fd: int | None) -> int:
    """Run the job in so many processes; returns the exit code."""
    # A stop is the first rank's to answer, at a step boundary that all ranks reach.
    stop.training_begins(0)
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "WORLD_SIZE": str(processes)}
    pipes = {"ANNEAL_REPORT_FD": str(report_fd)} | ({} if life_fd is None else {"ANNEAL_LIFE_FD": str(life_fd)})
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "anneal_trainer", config_path],
            env={**os.environ, **address, **pipes, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            pass_fds=[report_fd] if life_fd is None else [report_fd, life_fd],
        )
        for rank in range(processes)
    ]
    signal.signal(signal.SIGTERM, lambda *_: [child.terminate() for child in children])
    return _wait(children)


def _wait(children: list[subprocess.Popen[bytes]]) -> int:
    left = {child.pid: child for child in children}
    while left:
        pid, status = os.wait()
        left.pop(pid, None)
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            continue
        # A rank that failed has said why; the others would wait for it in a collective.
        for other in left.values():
            other.kill()
        if code < 0:
            # End as it did, so that the agent sees a trainer that was killed.
            os.kill(os.getpid(), -code)
        return 1
    return 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
