"""Tests of the checkpoints after training: what each predicts for the test rows, and what the testing functions say.

A checkpoint's folder belongs to the agent as soon as it is told of, which deletes it when it is uploaded. So each that
is to be tested is kept beside it by hard links, which cost no room until then.
"""

from __future__ import annotations

import gc
import json
import math
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass

from .config import LocalFunction, PlannedTest, UserCode
from .report import Reporter
from .reward_process import Mask, RewardProcess
from .stop import StopSwitch
from .testing_rows import TestRow

RESULTS_FILE = "results.jsonl"
ROWS_PER_CALL = 32
# A function that breaks its bounds so often in a row is given up for the checkpoint: each call may take minutes.
MAX_BROKEN_IN_A_ROW = 3
SECONDS_BETWEEN_SIGNS = 5  # half of the shortest hang_timeout_seconds

Predict = Callable[[str, list[TestRow], Callable[[], None]], list[str]]


class Stopped(Exception):
    """The agent wants the trainer to end; the checkpoint at hand is tested again by the next attempt."""


@dataclass(frozen=True)
class Kept:
    """A checkpoint that waits for its test, in a folder of ours."""

    step: int
    epoch: float
    folder: str


class Tests:
    """The tests of one job: its functions' processes, its rows, and the checkpoints that wait."""

    __test__ = False  # for pytest

    def __init__(
        self, plan: PlannedTest, rows: list[TestRow], output_dir: str, limits: UserCode, seed: int, report: Reporter
    ):
        self._plan = plan
        self._rows = rows
        self._output_dir = output_dir
        self._limits = limits
        self._seed = seed
        self._report = report
        self._waiting: dict[int, Kept] = {}

    def check_functions(self) -> None:
        """`user_code` when one does not load: before the training, not after it."""
        processes = [RewardProcess(function, self._limits) for function in self._plan.functions]
        try:
            for process in processes:
                process.start()
            for process in processes:
                process.wait_loaded()
        finally:
            for process in processes:
                process.close()

    def keep(self, folder: str, step: int, epoch: float) -> None:
        """Note a checkpoint. The best weights may be reported twice, as an epoch's and as the final ones."""
        kept = os.path.join(self._output_dir, "untested", str(step))
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(folder, kept, copy_function=_link)
        self._waiting[step] = Kept(step, epoch, kept)

    def keep_given(self) -> None:
        """Note the checkpoints of earlier attempts."""
        for given in self._plan.checkpoints:
            self.keep(given.dir, given.step, given.epoch)

    @property
    def last_step(self) -> int:
        """The step of the last checkpoint that waits."""
        return max(self._waiting, default=0)

    def need_base(self) -> bool:
        """Whether a checkpoint that waits is an adapter of a hub's model, without the model."""
        return any(os.path.exists(os.path.join(kept.folder, "adapter_config.json")) for kept in self._waiting.values())

    def run(self, predict: Predict, conditions: dict[str, object], stop: StopSwitch) -> None:
        """Test what waits, in the order of steps; `Stopped` when the agent says so meanwhile."""
        waiting = [self._waiting[step] for step in sorted(self._waiting)]
        if not waiting:
            return
        signs = _Signs(self._report, stop, len(waiting))
        for kept in waiting:
            gc.collect()  # The model before this one, should something have tied it into a ring.
            predicted = predict(kept.folder, self._rows, signs.sign)
            scores = {
                function.name: self._score(function, kept.step, predicted, signs) for function in self._plan.functions
            }
            folder = os.path.join(self._output_dir, f"test-{kept.step}")
            self._write(folder, predicted, scores)
            shutil.rmtree(kept.folder)
            self._report.send(
                "checkpoint",
                kind="test",
                step=kept.step,
                epoch=kept.epoch,
                dir=folder,
                results=_means(scores),
                **conditions,
            )
            signs.tested()

    def _score(self, function: LocalFunction, step: int, predicted: list[str], signs: _Signs) -> list[float | None]:
        process = RewardProcess(function, self._limits)
        samples = [(row.input, row.expected, output) for row, output in zip(self._rows, predicted, strict=True)]
        scores: list[float | None] = []
        masks: dict[str, Mask] = {}
        broken = 0
        try:
            while len(scores) < len(samples) and broken < MAX_BROKEN_IN_A_ROW:
                batch = samples[len(scores) : len(scores) + ROWS_PER_CALL]
                answer = process.call_test(f"{self._seed}:{step}:{len(scores)}", batch)
                scores += answer.values
                for mask in answer.masks:
                    before = masks.get(mask.reason)
                    masks[mask.reason] = Mask(mask.reason, mask.count + (before.count if before else 0), mask.detail)
                broken = broken + 1 if answer.is_broken else 0
                signs.sign()
        finally:
            process.close()
        for mask in masks.values():
            self._report.send(
                "event",
                event_type="sample_masked",
                metadata={
                    "step": step,
                    "function": function.name,
                    "count": mask.count,
                    "reason": mask.reason,
                    "detail": mask.detail,
                },
            )
        left = len(samples) - len(scores)
        if left > 0:
            self._report.notice(
                f"The testing function {function.name} broke its bounds {MAX_BROKEN_IN_A_ROW} times in a row: "
                f"the other {left} of {len(samples)} rows of step {step} have no score of it"
            )
        return scores + [None] * left

    def _write(self, folder: str, predicted: list[str], scores: dict[str, list[float | None]]) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        with open(os.path.join(folder, RESULTS_FILE), "w", encoding="ascii") as file:
            for index, row in enumerate(self._rows):
                told = {"input": row.input, "expected_output": row.expected, "output": predicted[index]}
                told |= {name: values[index] for name, values in scores.items()}
                file.write(json.dumps(told, separators=(",", ":")) + "\n")


class _Signs:
    """Life signs while testing, and the moment at which a stop is obeyed."""

    def __init__(self, report: Reporter, stop: StopSwitch, total: int):
        self._report, self._stop, self._total = report, stop, total
        self._done = 0
        self._tell()

    def sign(self) -> None:
        if self._stop.requested:
            raise Stopped
        if time.monotonic() - self._told_at >= SECONDS_BETWEEN_SIGNS:
            self._tell()

    def tested(self) -> None:
        self._done += 1
        self._tell()

    def _tell(self) -> None:
        self._told_at = time.monotonic()
        self._report.send("testing", done=self._done, total=self._total)


def _means(scores: dict[str, list[float | None]]) -> dict[str, float]:
    given = {name: [value for value in values if value is not None] for name, values in scores.items()}
    return {name: math.fsum(values) / len(values) for name, values in given.items() if values}


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)  # Not every file system has links.
