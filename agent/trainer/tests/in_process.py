"""Runs jobs inside the test's process: the imports of torch and TRL are paid once for many runs."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from anneal_trainer import config as configs
from anneal_trainer.report import Reporter
from anneal_trainer.run import run
from anneal_trainer.stop import StopSwitch


def run_here(folder: Path, value: dict, on_line: Callable[[dict], None] | None = None) -> list[dict]:
    """Run the job; its lines, which `on_line` has as they come. A failure is raised as it is."""
    folder.mkdir(exist_ok=True)
    path = folder / "config.json"
    path.write_text(json.dumps(value))
    reading, writing = os.pipe()
    lines: list[dict] = []

    def read() -> None:
        with os.fdopen(reading) as file:
            for line in file:
                lines.append(json.loads(line))
                if on_line is not None:
                    on_line(lines[-1])

    reader = threading.Thread(target=read)
    reader.start()
    before = signal.getsignal(signal.SIGTERM)
    report = Reporter(writing)
    try:
        run(configs.load(str(path)), report, StopSwitch(report))
    finally:
        signal.signal(signal.SIGTERM, before)
        os.close(writing)
        reader.join()
    return lines


def checkpoints(lines: list[dict], kind: str) -> dict[int, dict]:
    return {line["step"]: line for line in lines if line["type"] == "checkpoint" and line["kind"] == kind}


def losses(lines: list[dict]) -> dict[int, dict]:
    """What every step logged, without its times."""
    return {
        line["step"]: {key: value for key, value in line["values"].items() if key != "step_time"}
        for line in lines
        if line["type"] == "metrics" and line["kind"] == "train"
    }
