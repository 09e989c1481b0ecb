"""Which rows a job trains on, evaluates on and tests: every draw is by the job's seed, and told in a notice.

In this order: rows to test on are taken out, then `downsample_percent`, then rows to evaluate on, then `rebalance`
(classification's own, see `labels`), whose copies of a row must all be on one side.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from . import data
from .config import Config, Dataset, Rebalance
from .failures import TrainerFailure
from .report import Reporter

T = TypeVar("T")


@dataclass(frozen=True)
class Divided(Generic[T]):
    """The rows of a job. `all` is what the training dataset held, from which labels are taken."""

    all: list[T]
    train: list[T]
    evaluate: list[T]
    test: list[T]


def divide(config: Config, read: Callable[[Dataset], list[T]], report: Reporter) -> Divided[T]:
    """Read the job's datasets and divide their rows."""
    seed = config.hyperparameters.seed
    rows = train = read(config.dataset)
    evaluate: list[T] = []
    test: list[T] = []
    if config.test is not None:
        if config.test.dataset is not None:
            test = read(config.test.dataset)
        else:
            train, test = split_off(train, config.test.split_percent, seed)
            report.notice(f"Took {len(test)} of {len(rows)} rows out of the training data to test on")
    if config.downsample_percent is not None and config.downsample_percent < 100:
        before = len(train)
        train = downsample(train, config.downsample_percent, seed)
        report.notice(f"Kept {len(train)} of {before} rows to train on (downsample_percent)")
    if config.eval is not None:
        if config.eval.dataset is not None:
            evaluate = read(config.eval.dataset)
        else:
            before = len(train)
            train, evaluate = data.hold_back(train, config.eval.split_percent, seed)
            report.notice(f"Held back {len(evaluate)} of {before} rows for evaluation")
    return Divided(rows, train, evaluate, test)


def split_off(rows: list[T], percent: float, seed: int) -> tuple[list[T], list[T]]:
    """(the rest, rows to test on), each in their order; at least one row is on each side."""
    if len(rows) < 2:
        raise TrainerFailure("invalid_dataset", "The dataset has one row, and the test's split would take it out")
    count = min(max(1, round(len(rows) * percent / 100)), len(rows) - 1)
    drawn = set(random.Random(f"test {seed}").sample(range(len(rows)), count))
    return [row for at, row in enumerate(rows) if at not in drawn], [rows[at] for at in sorted(drawn)]


def downsample(rows: list[T], percent: float, seed: int) -> list[T]:
    """A random `percent` of the rows in their order; at least one."""
    count = max(1, round(len(rows) * percent / 100))
    drawn = random.Random(f"downsample {seed}").sample(range(len(rows)), count)
    return [rows[at] for at in sorted(drawn)]


def rebalance(
    rows: list[T], label_of: Callable[[T], str], plan: Rebalance, seed: int
) -> tuple[list[T], dict[str, tuple[int, int]]]:
    """The rows by the plan, in their order, and each label's count before and after."""
    by_label: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        by_label.setdefault(label_of(row), []).append(at)
    drawn: list[int] = []
    counts: dict[str, tuple[int, int]] = {}
    for label, wanted in sorted(_wanted(by_label, plan, len(rows)).items()):
        present = by_label.get(label, [])
        if wanted and not present:
            raise TrainerFailure(
                "invalid_dataset", f"rebalance wants {wanted} rows of {label!r}, and the rows to train on have none"
            )
        rng = random.Random(f"rebalance {seed} {label}")
        if wanted <= len(present):
            drawn += rng.sample(present, wanted)
        else:
            drawn += present + rng.choices(present, k=wanted - len(present))
        counts[label] = (len(present), wanted)
    if not drawn:
        raise TrainerFailure("invalid_dataset", "rebalance leaves no row to train on")
    return [rows[at] for at in sorted(drawn)], counts


def _wanted(by_label: dict[str, list[int]], plan: Rebalance, total: int) -> dict[str, int]:
    if plan.by == "count":
        return {label: len(rows) for label, rows in by_label.items()} | {
            label: round(count) for label, count in plan.labels.items()
        }
    shares = {label: share * total / sum(plan.labels.values()) for label, share in plan.labels.items()}
    wanted = dict.fromkeys(by_label, 0) | {label: int(share) for label, share in shares.items()}
    # The largest remainders take what rounding down has left, so that the total is what it was.
    by_remainder = sorted(shares, key=lambda label: (int(shares[label]) - shares[label], label))
    for label in by_remainder[: total - sum(wanted.values())]:
        wanted[label] += 1
    return wanted
