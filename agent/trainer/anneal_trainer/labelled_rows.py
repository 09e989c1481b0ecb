"""Rows with something to predict: a text and its labels, a text and a number, two texts and how alike they are."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import NoReturn

from .data import Row, check_format, read, some, string
from .failures import TrainerFailure

# What JSON takes for a number; Python's own float() takes more.
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class LabelledRow:
    """`labels` maps those that the row names to whether they are its own; any other is not."""

    text: str
    labels: dict[str, bool]


@dataclass(frozen=True)
class ScoredRow:
    text: str
    score: float


@dataclass(frozen=True)
class PairRow:
    first: str
    second: str
    score: float


def labelled_rows(path: str, format: str) -> list[LabelledRow]:
    """`text` or `prompt`, with `label` (one), `labels` (a list), or `completion` (one, or an object label → 0 or 1)."""
    check_format("classification", format)
    return some([LabelledRow(_text(raw, line), _labels(raw, line)) for line, raw in read(path, format)])


def scored_rows(path: str, format: str) -> list[ScoredRow]:
    """`text` or `prompt`, with `score` or `completion`, which is a number or the text of one."""
    check_format("regression", format)
    return some(
        [
            ScoredRow(_text(raw, line), _number(raw, "score" if "score" in raw else "completion", line))
            for line, raw in read(path, format)
        ]
    )


def pair_rows(path: str, format: str) -> list[PairRow]:
    """`text1`, `text2` and `score`."""
    check_format("embedding", format)
    return some(
        [
            PairRow(string(raw, "text1", line), string(raw, "text2", line), _number(raw, "score", line))
            for line, raw in read(path, format)
        ]
    )


def number_text(value: float) -> str:
    """How a number is written for testing functions: as short as 7 digits allow, which is what a 32-bit float has."""
    return f"{value:.7g}"


def _text(raw: Row, line: int) -> str:
    return string(raw, "text" if "text" in raw else "prompt", line)


def _labels(raw: Row, line: int) -> dict[str, bool]:
    key = next((key for key in ("labels", "label", "completion") if key in raw), None)
    value = raw.get(key) if key else None
    if isinstance(value, dict):
        if not value:
            _refuse(line, f"has no label in its {key}")
        for name, share in value.items():
            if share not in (0, 1):
                _refuse(line, f"gives the label {name!r} in its {key} neither 0 nor 1")
        return {_label(name, line): share == 1 for name, share in value.items()}
    if isinstance(value, list):
        return {_label(name, line): True for name in value}
    return {_label(value, line): True}


def _label(value: object, line: int) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # as the worker writes it
    if isinstance(value, (int, float)):
        return str(value)
    if not isinstance(value, str) or value == "":
        _refuse(line, "has no label that is text or a number")
    return value


def _number(raw: Row, key: str, line: int) -> float:
    value = raw.get(key)
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        _refuse(line, f"has no {key} that is a number")
    return float(value)


def _refuse(line: int, what: str) -> NoReturn:
    raise TrainerFailure("invalid_dataset", f"The dataset's line {line} {what}")
