"""Runs jobs in processes of their own that can be killed, without paying for the imports of torch and TRL each time.

multiprocessing's fork server imports them once; each job is a fork of it that has trained nothing yet.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from multiprocessing.connection import Connection
from pathlib import Path

from trainer_process import TRAINER

# The server does not take over this process's sys.path in Python 3.11, and keeps silent about what it cannot import.
_PATH = os.pathsep.join([str(Path(__file__).parent), str(TRAINER)])
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["preloaded"])


class Forked:
    """One run of a job; its lines are read as they come. `child` is what the process calls with (report fd, config)."""

    def __init__(self, folder: Path, value: dict, child=None, rank: int = 0, world_size: int = 1, port: int = 0):
        folder.mkdir(exist_ok=True)
        path = folder / "config.json"
        path.write_text(json.dumps(value))
        reading, writing = _context.Pipe(duplex=False)
        place = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world_size)}
        world = {**place, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true"}
        self.process = _context.Process(
            target=_enter, args=(writing, str(path), folder / f"output-{rank}", child or train, port and world)
        )
        os.environ["PYTHONPATH"] = _PATH
        self.process.start()
        del os.environ["PYTHONPATH"]
        writing.close()
        self._reading = os.fdopen(os.dup(reading.fileno()))
        reading.close()
        self._output = folder / f"output-{rank}"
        self.lines: list[dict] = []

    def finish(self, code: int = 0) -> list[dict]:
        """Read to an end that must be this one; the lines."""
        self.lines += [json.loads(text) for text in self._reading]
        self.process.join(30)
        assert self.process.exitcode == code, (self.process.exitcode, self.lines[-1:], self.said())
        return self.lines

    def said(self) -> str:
        return self._output.read_text()[-3000:]


def train(fd: int, path: str, reporter=None) -> None:
    """The job, as `python -m anneal_trainer` runs it once its pipes are there."""
    from anneal_trainer import config as configs
    from anneal_trainer.report import Reporter
    from anneal_trainer.run import run
    from anneal_trainer.stop import StopSwitch

    report = (reporter or Reporter)(fd, quiet=os.environ.get("RANK", "0") != "0")
    run(configs.load(path), report, StopSwitch(report))


def _enter(writing: Connection, path: str, output: Path, child, world: dict[str, str] | None) -> None:
    with open(output, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.update(world or {})
    child(writing.fileno(), path)
