"""Method `embedding`: vectors of texts whose cosine similarity is the score of a pair, by sentence-transformers.

The library gives the model and the loss. The loop is transformers' own, as in the other methods, so that steps, logs
and an exact resume are theirs.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from .eval_metrics import similarity_metrics
from .failures import TrainerFailure
from .labelled_rows import PairRow, number_text, pair_rows
from .models import LOADING_ERRORS, Loaded, common_arguments, lora_config, restore, weights_type
from .optimisation import batch_arguments, eval_batch_size
from .random_state import QuietEvaluation
from .row_method import RowMethod, in_batches, readable
from .sentence_model import SentenceKind
from .testing_rows import TestRow

_TRAINED_FILE = "trained.safetensors"
_SIDES = ("first_", "second_")
_TEXTS_AT_ONCE = 256


@dataclass
class Embedding(RowMethod[PairRow]):
    """One `embedding` job."""

    def read(self) -> None:
        """Read the datasets; before the heavy imports, so that bad data fails at once."""
        self.read_rows(pair_rows)

    @property
    def kind(self) -> SentenceKind:
        """What is trained: all of a sentence-transformers model."""
        return SentenceKind(self.config.hyperparameters.max_seq_length)

    def load(self, folder: str, on_gpu: bool, world_size: int, is_sharded: bool) -> Loaded:
        """The base as a sentence-transformers model."""
        h = self.config.hyperparameters
        encoder = self._load(folder, weights_type(on_gpu, h.lora_rank is not None))
        if h.lora_rank is not None:
            from peft import get_peft_model

            # An adapter is the transformer's: what is learnt of a module behind it would be in no checkpoint.
            encoder.requires_grad_(False)
            encoder[0].model = get_peft_model(encoder[0].model, lora_config(h, "FEATURE_EXTRACTION", "all-linear"))
        return Loaded(folder, encoder, encoder.tokenizer, on_gpu, world_size, is_sharded)

    def make_trainer(self, base: Loaded, callback):
        """transformers' trainer over the pairs."""
        from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss
        from transformers import TrainingArguments

        measure = similarity_metrics(self.metrics_asked)
        arguments = {
            **common_arguments(self.config, base, self.report),
            **batch_arguments(self.config.hyperparameters, base.world_size, loss_only=measure is None),
            # A pair is two passes through the model, and its modules do not know of checkpointing.
            "gradient_checkpointing": False,
            "remove_unused_columns": False,
        }
        trainer_class, model_class = _classes()
        ready = self.tokenised
        return trainer_class(
            model=model_class(CosineSimilarityLoss(base.model)),
            args=TrainingArguments(**arguments),
            train_dataset=ready.train if ready else self.rows,
            eval_dataset=ready.evaluate if ready else self.eval_rows or None,
            processing_class=base.tokenizer,
            data_collator=_TokenCollator(base.tokenizer) if ready else _Collator(base.model),
            compute_metrics=measure,
            callbacks=[callback],
        )

    def examples(self) -> tuple[list[PairRow], list[PairRow]]:
        """The pairs to train on and to evaluate on."""
        return self.rows, self.eval_rows

    def encoder(self, folder: str) -> Callable[[list[PairRow]], object]:
        """What tokenises pairs for the base in `folder`: columns of the first text, of the second, and the score."""
        import torch
        from datasets import Dataset

        model = self._load(folder, torch.float32)

        def encode(rows: list[PairRow]) -> Dataset:
            columns: dict[str, list] = {"score": [row.score for row in rows]}
            for side, texts in zip(_SIDES, ([row.first for row in rows], [row.second for row in rows]), strict=True):
                for start in range(0, len(texts), _TEXTS_AT_ONCE):
                    for name, tokens in _tokens(model, texts[start : start + _TEXTS_AT_ONCE]).items():
                        columns.setdefault(f"{side}{name}", []).extend(tokens)
            return Dataset.from_dict(columns)

        return encode

    def _load(self, folder: str, dtype):
        try:
            return self.kind.load(folder, dtype)
        except LOADING_ERRORS as error:
            raise TrainerFailure(
                "base_model_unavailable", f"The base model is not one that embeds texts: {error}"
            ) from error

    def test_rows(self) -> list[TestRow]:
        """The pairs to test on; what functions get as the input is both texts, one a line."""
        return [
            TestRow(f"{row.first}\n{row.second}", number_text(row.score), (row.first, row.second))
            for row in self.rows_to_test
        ]

    def predict(self, folder: str, rows: list[TestRow], told: Callable[[], None]) -> list[str]:
        """Each pair's cosine similarity, as text."""
        import torch

        encoder = restore(self.kind, folder, self.base_folder).to(self.device())
        pairs = [row.asked for row in rows]
        predicted = [""] * len(rows)
        size = eval_batch_size(self.config.hyperparameters)
        for batch in in_batches(pairs, lambda pair: max(map(len, pair)), size):
            first, second = (
                encoder.encode(
                    [readable(pairs[at][side]) for at in batch],
                    batch_size=size,
                    convert_to_tensor=True,
                    show_progress_bar=False,
                )
                for side in (0, 1)
            )
            for at, value in zip(batch, torch.cosine_similarity(first, second).tolist(), strict=True):
                predicted[at] = number_text(value)
            told()
        return predicted


@dataclass(frozen=True)
class _Collator:
    """A batch of pairs as two batches of tokens, and their scores."""

    encoder: object

    def __call__(self, rows: list[PairRow]) -> dict[str, object]:
        import torch

        sides = ([readable(row.first) for row in rows], [readable(row.second) for row in rows])
        pairs = [self.encoder.preprocess(texts) for texts in sides]  # type: ignore[attr-defined]
        return {
            "pairs": [{name: value for name, value in side.items() if torch.is_tensor(value)} for side in pairs],
            "labels": torch.tensor([row.score for row in rows]),
        }


@dataclass(frozen=True)
class _TokenCollator:
    """As `_Collator`, of pairs that are tokens already."""

    tokenizer: object

    def __call__(self, rows: list[dict[str, object]]) -> dict[str, object]:
        import torch

        sides = (
            [{name.removeprefix(side): value for name, value in row.items() if name.startswith(side)} for row in rows]
            for side in _SIDES
        )
        return {
            "pairs": [dict(self.tokenizer.pad(side, return_tensors="pt")) for side in sides],  # type: ignore[attr-defined]
            "labels": torch.tensor([row["score"] for row in rows]),
        }


def _tokens(model, texts: list[str]) -> dict[str, list[list[int]]]:
    """Each text's tokens, and what goes with them, without the padding that they have as a batch."""
    import torch

    made = {
        name: value for name, value in model.preprocess(list(map(readable, texts))).items() if torch.is_tensor(value)
    }
    mask = made.get("attention_mask")
    if mask is None or any(value.shape != mask.shape for value in made.values()):
        raise TrainerFailure(
            "base_model_unavailable", "The base model's texts cannot be tokenised ahead: train without preprocessing"
        )
    own = mask.bool()
    return {name: [row[kept].tolist() for row, kept in zip(value, own, strict=True)] for name, value in made.items()}


def _classes():
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import Trainer

    class PairModel(torch.nn.Module):
        """The loss of pairs as a model of transformers' loop."""

        def __init__(self, loss):
            super().__init__()
            self.loss = loss

        @property
        def encoder(self):
            """What is trained."""
            return self.loss.model

        def forward(self, pairs, labels):
            if self.training:
                return {"loss": self.loss(pairs, labels)}
            vectors = [self.encoder(side)["sentence_embedding"] for side in pairs]
            similarities = torch.cosine_similarity(*vectors).float()
            return {"loss": self.loss.compute_loss_from_embeddings(vectors, labels), "similarities": similarities}

    class PairTrainer(QuietEvaluation, Trainer):
        """Its resume checkpoints hold what is trained: with an adapter, not the base."""

        def _save(self, output_dir=None, state_dict=None):
            if not self.args.should_save:
                return
            folder = output_dir or self.args.output_dir
            os.makedirs(folder, exist_ok=True)
            trained = {name for name, value in self.model.named_parameters() if value.requires_grad}
            whole = self.model.state_dict() if state_dict is None else state_dict
            kept = {name: value.contiguous() for name, value in whole.items() if name in trained}
            save_file(kept, os.path.join(folder, _TRAINED_FILE), metadata={"format": "pt"})

        def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
            self.model.load_state_dict(load_file(os.path.join(resume_from_checkpoint, _TRAINED_FILE)), strict=False)

    return PairTrainer, PairModel
