"""The report line: one JSON object a line to the agent, from any thread, in order.

A write blocks while the agent does not read; nothing is dropped. A closed pipe means that the agent is gone: the
process ends as it does when its life pipe closes.
"""

from __future__ import annotations

import json
import math
import os
import threading

from . import life

MAX_SENTENCE = 4000  # the protocol's bound on `notice` and `failed` messages
MAX_KEY = 200  # the protocol's bound on a metric's name


class Reporter:
    """Writes protocol lines to a file descriptor. A quiet one, of any rank but the first, tells only its failure."""

    def __init__(self, fd: int, quiet: bool = False):
        self.fd = fd
        self._quiet = quiet
        self._lock = threading.Lock()

    @classmethod
    def from_environment(cls) -> Reporter:
        """ANNEAL_REPORT_FD, or stdout when a person runs the trainer by hand."""
        return cls(int(os.environ.pop("ANNEAL_REPORT_FD", "1")), quiet=os.environ.get("RANK", "0") != "0")

    def send(self, type: str, **fields: object) -> None:
        """Write one line; returns when the agent's pipe has taken it."""
        with self._lock:
            self._write(type, fields)

    def try_send(self, type: str, **fields: object) -> bool:
        """As `send`, for signal handlers: false, and nothing written, when another line is being written."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            self._write(type, fields)
        finally:
            self._lock.release()
        return True

    def _write(self, type: str, fields: dict[str, object]) -> None:
        if self._quiet and type != "failed":
            return
        line = json.dumps({"type": type, **fields}, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
        left = memoryview(line.encode() + b"\n")
        while left:
            try:
                left = left[os.write(self.fd, left) :]
            except ConnectionError:
                life.end_everything()

    def metrics(self, step: int, kind: str, values: dict[str, object]) -> None:
        """Send the finite numbers of `values`; what is NaN, infinite or no number is left out."""
        finite = {
            key[:MAX_KEY]: number for key, value in values.items() if (number := finite_or_none(value)) is not None
        }
        if finite:
            self.send("metrics", step=step, kind=kind, values=finite)

    def notice(self, message: str) -> None:
        """A sentence for the people who watch the job."""
        self.send("notice", message=message[:MAX_SENTENCE])

    def failed(self, reason: str, message: str) -> None:
        """The job's end, with a reason of the closed list."""
        self.send("failed", reason=reason, message=message[:MAX_SENTENCE])


def finite_or_none(value: object) -> float | None:
    """The number as JSON can carry it, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if math.isfinite(value) else None
