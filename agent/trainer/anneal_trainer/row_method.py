"""What the methods that learn to predict something of a row share: their rows, their steps, and their end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from .config import RowConfig
from .preparation import divide
from .report import Reporter
from .tokenised import Tokenised

R = TypeVar("R")
T = TypeVar("T")


@dataclass
class RowMethod(Generic[R]):
    """One job. `base_folder` is the base model's, once there is one: a checkpoint may be no more than its adapter."""

    config: RowConfig
    report: Reporter
    rows: list[R] = field(default_factory=list)
    eval_rows: list[R] = field(default_factory=list)
    rows_to_test: list[R] = field(default_factory=list)
    base_folder: str = ""
    tokenised: Tokenised | None = None

    def read_rows(self, load: Callable[[str, str], list[R]]) -> list[R]:
        """Read and divide the datasets; the answer is what the training dataset held before it was divided."""
        divided = divide(self.config, lambda dataset: load(dataset.path, dataset.format), self.report)
        self.rows, self.eval_rows, self.rows_to_test = divided.train, divided.evaluate, divided.test
        return divided.all

    @property
    def metrics_asked(self) -> list[str] | None:
        """What evaluations are to tell; None: their loss."""
        return self.config.eval and self.config.eval.metrics

    def device(self) -> str:
        """Where a test's predictions are made."""
        return "cuda" if self.config.gpus else "cpu"

    def check_kept(self, trained: int, evaluated: int) -> None:
        """Tokenising drops no row of these methods: texts are cut."""

    def check_end(self) -> None:
        """Nothing can be wrong with a job of these methods that has ended."""

    def close(self) -> None:
        """Nothing is held."""


def readable(text: str) -> str:
    """An empty text as one that every tokenizer makes a token of: a model cannot read nothing."""
    return text or " "


def in_batches(items: Sequence[T], length: Callable[[T], int], size: int) -> Iterator[list[int]]:
    """The positions of all items, longest first and `size` at a time: alike lengths need little padding."""
    order = sorted(range(len(items)), key=lambda at: -length(items[at]))
    for start in range(0, len(order), size):
        yield order[start : start + size]
