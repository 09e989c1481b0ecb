"""The labels of a classification: what kind it is, in what order the model has them, and how they read as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .failures import TrainerFailure
from .labelled_rows import LabelledRow


@dataclass(frozen=True)
class Labels:
    """`kind` is `binary` (one label, which a row has or has not), `multiclass` (each row has one) or `multilabel`."""

    kind: str
    names: list[str]

    @classmethod
    def of(cls, rows: list[LabelledRow]) -> Labels:
        """Those of the whole training dataset, whatever part of it is trained on."""
        names = sorted({name for row in rows for name in row.labels})
        if not names:
            raise TrainerFailure("invalid_dataset", "No row has a label")
        if len(names) == 1:
            if all(any(row.labels.values()) for row in rows):
                raise TrainerFailure(
                    "invalid_dataset", f"Every row has the label {names[0]!r}: there is nothing to tell apart"
                )
            return cls("binary", names)
        return cls("multiclass" if all(sum(row.labels.values()) == 1 for row in rows) else "multilabel", names)

    def of_row(self, row: LabelledRow) -> str:
        """The one label of a row, as a rebalancing plan names it."""
        if self.kind == "binary":
            return "positive" if row.labels.get(self.names[0], False) else "negative"
        if self.kind == "multilabel":
            raise TrainerFailure(
                "dataset_format_incompatible",
                "dataset_format_incompatible: rebalance needs rows with one label each, and these have several or none",
            )
        return next(name for name, has in row.labels.items() if has)

    def target(self, row: LabelledRow) -> int | list[float]:
        """What the model's loss takes."""
        if self.kind == "multiclass":
            return self.names.index(self.of_row(row))
        return [float(row.labels.get(name, False)) for name in self.names]

    def knows(self, row: LabelledRow) -> bool:
        """False for a row of another dataset that has a label which this one's rows do not have."""
        own = [name for name, has in row.labels.items() if has]
        return set(own) <= set(self.names) and (self.kind != "multiclass" or len(own) == 1)

    def expected(self, row: LabelledRow) -> str:
        """A row's labels as testing functions get them: the text of a dictionary label → 0.0 or 1.0."""
        own = {name: 1.0 for name, has in row.labels.items() if has}
        return repr(dict.fromkeys(self.names, 0.0) | own)

    def predicted(self, probabilities: Sequence[float]) -> str:
        """A prediction as testing functions get it: the text of a dictionary label → probability."""
        return repr({name: float(f"{p:.6g}") for name, p in zip(self.names, probabilities, strict=True)})
