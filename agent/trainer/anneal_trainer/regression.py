"""Method `regression`: a number from a text, by the mean squared error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import sequence_model
from .eval_metrics import regression_metrics
from .labelled_rows import ScoredRow, number_text, scored_rows
from .models import Loaded, TransformersKind
from .row_method import RowMethod
from .testing_rows import TestRow


@dataclass
class Regression(RowMethod[ScoredRow]):
    """One `regression` job. The numbers are learnt as they are: wide ranges are the user's to scale."""

    def read(self) -> None:
        """Read the datasets; before the heavy imports, so that bad data fails at once."""
        self.read_rows(scored_rows)

    @property
    def kind(self) -> TransformersKind:
        """What is trained: a head with one output."""
        return sequence_model.kind_of("regression", ["value"])

    def load(self, folder: str, on_gpu: bool, world_size: int, is_sharded: bool) -> Loaded:
        """The base with its head."""
        return sequence_model.load(self.kind, self.config.hyperparameters, folder, on_gpu, world_size, is_sharded)

    def make_trainer(self, base: Loaded, callback):
        """transformers' trainer over the rows."""
        rows = self.tokenised or sequence_model.tokenise(self.config.hyperparameters, base, self.examples())
        measure = regression_metrics(self.metrics_asked)
        return sequence_model.make_trainer(self.config, self.report, base, callback, _squared_error, measure, rows)

    def examples(self) -> tuple[sequence_model.Examples, sequence_model.Examples]:
        """The rows to train on and to evaluate on."""
        train, evaluate = ([(row.text, row.score) for row in rows] for rows in (self.rows, self.eval_rows))
        return train, evaluate

    def encoder(self, folder: str) -> Callable[[sequence_model.Examples], object]:
        """What tokenises rows for the base in `folder`."""
        return sequence_model.encoder(self.kind, self.config.hyperparameters, folder)

    def test_rows(self) -> list[TestRow]:
        """The rows to test on."""
        return [TestRow(row.text, number_text(row.score), row.text) for row in self.rows_to_test]

    def predict(self, folder: str, rows: list[TestRow], told: Callable[[], None]) -> list[str]:
        """Each row's number, as text."""
        h, texts = self.config.hyperparameters, [str(row.asked) for row in rows]
        predicted = [""] * len(rows)
        for batch, values in sequence_model.outputs(self.kind, folder, self.base_folder, texts, h, self.device()):
            for at, value in zip(batch, values.squeeze(-1).tolist(), strict=True):
                predicted[at] = number_text(value)
            told()
        return predicted


def _squared_error(logits, targets):
    return (logits.squeeze(-1) - targets) ** 2
