"""The trainer's side of one reward or testing function: a separate process, its clock, its memory, its output.

A call that breaks a bound kills the process; the next call starts a new one, so a function's own state is lost then.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

from . import life, quarters
from .config import LocalFunction, UserCode
from .failures import TrainerFailure

WATCH_SECONDS = 0.05  # how often a running call's memory is looked at
MAX_ANSWER_BYTES = 32768  # an answer's reasons with their words; every completion may add MAX_SCORE_BYTES
MAX_SCORE_BYTES = 64
_RUNNER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "reward_runner.py")


@dataclass(frozen=True)
class Mask:
    """Samples of a call that got no score, and why."""

    reason: str
    count: int
    detail: str


@dataclass(frozen=True)
class Scores:
    """One entry a sample; None is a masked one. `is_broken`: the call broke a bound, and its samples were not seen."""

    values: list[float | None]
    masks: list[Mask]
    is_broken: bool = False


class _Broken(Exception):
    def __init__(self, reason: str, detail: str):
        super().__init__(detail)
        self.reason, self.detail = reason, detail


class RewardProcess:
    """One reward or testing function in a process of its own."""

    def __init__(self, function: LocalFunction, limits: UserCode):
        self.function = function
        self._called = f"The {'testing' if function.format == 'test' else 'reward'} function {function.name}"
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._answers = -1
        self._output_left = 0

    def start(self) -> None:
        """Spawn the process and ask it to load the file; `wait_loaded` has the answer."""
        self._quarters = quarters.take()
        scratch = self._quarters.scratch
        path = self._quarters.give(self.function.path, os.path.basename(self.function.path))
        answers, answers_end = os.pipe()
        output, output_end = os.pipe()
        self._process = subprocess.Popen(
            # -s and a clean environment, not -I: that would ignore PYTHONHASHSEED, and sets would have no fixed order.
            [sys.executable, "-s", "-u", _RUNNER, str(answers_end), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=output_end,
            stderr=output_end,
            pass_fds=(answers_end,),
            cwd=scratch,
            env=_environment(scratch),
            bufsize=0,
        )
        life.add_child(self._process.pid)
        os.close(answers_end)
        os.close(output_end)
        os.set_blocking(answers, False)
        os.set_blocking(self._stdin(), False)
        self._answers = answers
        self._output_left = self._limits.output_bytes
        threading.Thread(target=self._pump, args=(output,), name="reward-output", daemon=True).start()
        self._first = {
            "path": path,
            "name": self.function.name,
            "format": self.function.format,
            "memory_bytes": self._limits.memory_bytes,
            "uid": self._quarters.uid,
        }

    def wait_loaded(self) -> str:
        """The function's own name; `user_code` when the file does not load."""
        try:
            answer = self._exchange(self._first, MAX_ANSWER_BYTES)
        except _Broken as broken:
            raise TrainerFailure("user_code", f"{self._called} could not be loaded: {broken.detail}") from broken
        if "error" in answer:
            self.close()
            raise TrainerFailure("user_code", f"{self._called} could not be loaded: {answer['error']}")
        if "unconfined" in answer:
            self.close()
            raise TrainerFailure(
                "trainer_error", f"User code cannot be confined on this host, so it is not run: {answer['unconfined']}"
            )
        return str(answer["function"])

    def call(self, seed: str, arguments: dict[str, object], row_columns: list[dict[str, object]], count: int) -> Scores:
        """Score one batch; whatever goes wrong in user code is a mask, never an exception."""
        # Only `miles` reads rows one by one; `trl` has them as aligned columns.
        rows = row_columns if self.function.format == "miles" else []
        return self._scores(seed, count, arguments=arguments, row_columns=rows)

    def call_test(self, seed: str, samples: list[tuple[str, str, str]]) -> Scores:
        """Score samples of (input, expected, predicted) one by one, with the bounds of one call over all of them."""
        return self._scores(seed, len(samples), samples=samples)

    def _scores(self, seed: str, count: int, **what: object) -> Scores:
        request = {
            "seed": seed,
            "timeout_seconds": self._limits.timeout_seconds,
            "format": self.function.format,
            **what,
        }
        try:
            if self._process is None:
                self.start()
                self.wait_loaded()
            answer = self._exchange(request, MAX_ANSWER_BYTES + MAX_SCORE_BYTES * count)
            values, masks = answer["scores"], [Mask(**mask) for mask in answer["masked"]]
            if len(values) != count or not all(value is None or isinstance(value, (int, float)) for value in values):
                raise TypeError("scores are not one number or null a completion")
        except TrainerFailure as failure:
            return Scores([None] * count, [Mask("exception", count, failure.message)], is_broken=True)
        except _Broken as broken:
            return Scores([None] * count, [Mask(broken.reason, count, broken.detail)], is_broken=True)
        except (KeyError, TypeError):
            # Not the runner's words: user code has found the descriptor.
            broken = self._break("crash", "its process answered with something else than scores")
            return Scores([None] * count, [Mask(broken.reason, count, broken.detail)], is_broken=True)
        return Scores(values, masks)

    def close(self) -> None:
        """Kill the process and everything it holds."""
        if self._process is None:
            return
        life.kill_child(self._process.pid)
        self._process.wait()
        os.close(self._stdin())
        self._process.stdin = None
        os.close(self._answers)
        self._process = None
        self._quarters.leave()

    def _stdin(self) -> int:
        assert self._process is not None and self._process.stdin is not None
        return self._process.stdin.fileno()

    def _exchange(self, request: dict[str, object], max_bytes: int) -> dict:
        assert self._process is not None
        self._output_left = self._limits.output_bytes
        deadline = time.monotonic() + self._limits.timeout_seconds
        to_send, answer = memoryview(json.dumps(request).encode() + b"\n"), bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self._answers, selectors.EVENT_READ)
            selector.register(self._stdin(), selectors.EVENT_WRITE)
            while True:
                ready = selector.select(min(WATCH_SECONDS, max(0.0, deadline - time.monotonic())))
                for key, _ in ready:
                    if key.fd == self._answers:
                        chunk = os.read(self._answers, 65536)
                        answer += chunk
                        if not chunk:
                            raise self._ended()
                        if len(answer) > max_bytes:
                            raise self._break("crash", "its process answered too much")
                    else:
                        try:
                            to_send = to_send[os.write(key.fd, to_send) :]
                        except BrokenPipeError:
                            raise self._ended() from None
                        if not to_send:
                            selector.unregister(key.fd)
                if answer.endswith(b"\n"):
                    return self._parse(answer)
                if time.monotonic() >= deadline:
                    raise self._break("timeout", f"ran longer than {self._limits.timeout_seconds:g} s")
                if _resident_bytes(self._process.pid) > self._limits.memory_bytes:
                    raise self._break("memory", f"used more than {self._limits.memory_bytes} bytes of memory")

    def _parse(self, answer: bytearray) -> dict:
        try:
            return json.loads(answer)
        except ValueError:
            raise self._break("crash", "its process answered with something else than scores") from None

    def _break(self, reason: str, detail: str) -> _Broken:
        self.close()
        return _Broken(reason, detail)

    def _ended(self) -> _Broken:
        assert self._process is not None
        code = self._process.wait()
        return self._break(
            "crash", f"its process ended by signal {-code}" if code < 0 else f"its process ended with {code}"
        )

    def _pump(self, output: int) -> None:
        """What user code prints goes to the job's log, up to the bound for each call."""
        while chunk := os.read(output, 65536):
            allowed = chunk[: max(0, self._output_left)]
            self._output_left -= len(chunk)
            os.write(1, allowed)
            if self._output_left < 0 <= self._output_left + len(chunk):
                os.write(1, f"\n[the output of this call was cut at {self._limits.output_bytes} bytes]\n".encode())
        os.close(output)


def _environment(scratch: str) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": scratch,
        "TMPDIR": scratch,
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        # Thread pools and arenas reserve address space by the core, which the limit would count as used.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "1",
    }


def _resident_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (FileNotFoundError, ProcessLookupError):
        return 0
