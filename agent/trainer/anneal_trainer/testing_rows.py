"""What a test asks a model: one row of the test set, the same for every method and every testing function."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TestRow:
    """`input` and `expected` are what testing functions get, as text; `asked` is what `predict` gives the model.

    `asked` is a text (classification, regression), a chat or a prompt (language models), or a pair of texts (embedding,
    whose `input` is both, one a line).
    """

    __test__ = False  # pytest takes a class of this name for a test

    input: str
    expected: str
    asked: object
