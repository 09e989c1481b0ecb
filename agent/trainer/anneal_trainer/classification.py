"""Method `classification`: one label, one of several, or any number of them, from a text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from . import sequence_model
from .config import ClassificationConfig
from .eval_metrics import classification_metrics
from .failures import TrainerFailure
from .labelled_rows import LabelledRow, labelled_rows
from .labels import Labels
from .models import Loaded, TransformersKind
from .preparation import rebalance
from .row_method import RowMethod
from .testing_rows import TestRow

# Of focal loss (`dynamic_loss`): a value's loss is weighted by (1 - p)^γ, p being the probability of what is right.
GAMMA = 2.0


@dataclass
class Classification(RowMethod[LabelledRow]):
    """One `classification` job."""

    config: ClassificationConfig
    labels: Labels = field(default_factory=lambda: Labels("binary", []))

    def read(self) -> None:
        """Read the datasets; before the heavy imports, so that bad data fails at once."""
        self.labels = Labels.of(self.read_rows(labelled_rows))
        if self.config.rebalance is not None:
            plan, seed = self.config.rebalance, self.config.hyperparameters.seed
            self.rows, counts = rebalance(self.rows, self.labels.of_row, plan, seed)
            told = ", ".join(f"{label} {before} → {after}" for label, (before, after) in counts.items())
            self.report.notice(f"Rebalanced to {len(self.rows)} rows: {told}")
        known = [row for row in self.eval_rows if self.labels.knows(row)]
        if len(known) < len(self.eval_rows):
            self.report.notice(
                f"{len(self.eval_rows) - len(known)} rows to evaluate on have labels that the training data has not: "
                "they are left out"
            )
            if not known:
                raise TrainerFailure("invalid_dataset", "No row to evaluate on has a label of the training data")
            self.eval_rows = known
        unknown = sum(not self.labels.knows(row) for row in self.rows_to_test)
        if unknown:
            self.report.notice(f"{unknown} rows to test on have labels that the training data has not")

    @property
    def kind(self) -> TransformersKind:
        """What is trained: a head with one output for each label."""
        is_one_of = self.labels.kind == "multiclass"
        problem_type = "single_label_classification" if is_one_of else "multi_label_classification"
        return sequence_model.kind_of(problem_type, self.labels.names)

    def load(self, folder: str, on_gpu: bool, world_size: int, is_sharded: bool) -> Loaded:
        """The base with its head."""
        return sequence_model.load(self.kind, self.config.hyperparameters, folder, on_gpu, world_size, is_sharded)

    def make_trainer(self, base: Loaded, callback):
        """transformers' trainer over the rows."""
        h = self.config.hyperparameters
        loss = loss_of(self.labels.kind, bool(h.dynamic_loss))
        rows = self.tokenised or sequence_model.tokenise(h, base, self.examples())
        measure = classification_metrics(self.labels.kind, self.metrics_asked)
        return sequence_model.make_trainer(self.config, self.report, base, callback, loss, measure, rows)

    def examples(self) -> tuple[sequence_model.Examples, sequence_model.Examples]:
        """The rows to train on and to evaluate on: texts, and what the loss takes."""
        train, evaluate = (
            [(row.text, self.labels.target(row)) for row in rows] for rows in (self.rows, self.eval_rows)
        )
        return train, evaluate

    def encoder(self, folder: str) -> Callable[[sequence_model.Examples], object]:
        """What tokenises rows for the base in `folder`."""
        return sequence_model.encoder(self.kind, self.config.hyperparameters, folder)

    def test_rows(self) -> list[TestRow]:
        """The rows to test on."""
        return [TestRow(row.text, self.labels.expected(row), row.text) for row in self.rows_to_test]

    def predict(self, folder: str, rows: list[TestRow], told: Callable[[], None]) -> list[str]:
        """Each row's probabilities by label, as the text of a dictionary."""
        h, texts = self.config.hyperparameters, [str(row.asked) for row in rows]
        predicted = [""] * len(rows)
        for batch, logits in sequence_model.outputs(self.kind, folder, self.base_folder, texts, h, self.device()):
            shares = logits.softmax(-1) if self.labels.kind == "multiclass" else logits.sigmoid()
            for at, values in zip(batch, shares.tolist(), strict=True):
                predicted[at] = self.labels.predicted(values)
            told()
        return predicted


def loss_of(kind: str, is_focal: bool) -> Callable:
    """The loss of each value: of a row where it has one label, of each of its labels otherwise."""

    def values(logits, targets):
        from torch.nn import functional

        if kind == "multiclass":
            plain = functional.cross_entropy(logits, targets, reduction="none")
        else:
            plain = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        # e to the power of minus the loss is the probability of what is right, in both.
        return (1 - (-plain).exp()) ** GAMMA * plain if is_focal else plain

    return values
