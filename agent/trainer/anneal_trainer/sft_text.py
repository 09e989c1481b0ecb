"""Method `sft_text`: supervised fine-tuning on conversations, prompts with completions, or plain text, by TRL."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from . import data, generation
from .config import SftTextConfig
from .conversation import asked_and_expected, plain_text
from .failures import TrainerFailure
from .models import (
    LANGUAGE_MODEL,
    Loaded,
    ModelKind,
    common_arguments,
    load,
    load_text_tokenizer,
    lora_config,
    need_chat_template,
)
from .optimisation import batch_arguments, eval_batch_size
from .preparation import divide
from .random_state import QuietEvaluation
from .report import Reporter
from .testing_rows import TestRow
from .tokenised import Tokenised


@dataclass
class SftText:
    """One `sft_text` job. `base_folder` is the base model's, once there is one."""

    config: SftTextConfig
    report: Reporter
    rows: list[data.Row] = field(default_factory=list)
    eval_rows: list[data.Row] = field(default_factory=list)
    rows_to_test: list[data.Row] = field(default_factory=list)
    base_folder: str = ""
    tokenised: Tokenised | None = None

    def read(self) -> None:
        """Read the dataset; before the heavy imports, so that bad data fails at once."""
        system_prompt = self.config.hyperparameters.system_prompt
        divided = divide(
            self.config, lambda dataset: data.sft_rows(dataset.path, dataset.format, system_prompt), self.report
        )
        self.rows, self.eval_rows, self.rows_to_test = divided.train, divided.evaluate, divided.test

    @property
    def kind(self) -> ModelKind:
        """What is trained."""
        return LANGUAGE_MODEL

    def load(self, folder: str, on_gpu: bool, world_size: int, is_sharded: bool) -> Loaded:
        """The base, ready to train."""
        return load(folder, on_gpu, self.config.hyperparameters.lora_rank is not None, world_size, is_sharded)

    def make_trainer(self, base: Loaded, callback):
        """TRL's trainer over the rows."""
        from datasets import Dataset
        from trl.trainer.sft_config import SFTConfig

        h = self.config.hyperparameters
        need_chat_template(base.tokenizer, self._are_chats())
        ready = self.tokenised
        arguments = SFTConfig(
            **common_arguments(self.config, base, self.report),
            **batch_arguments(h, base.world_size),
            max_length=h.max_seq_length,
            packing=False,
            # Token loss × detached token probability, which TRL calls dynamic fine-tuning.
            **({"loss_type": "dft"} if h.dynamic_loss else {}),
            dataset_kwargs=ready and {"skip_prepare_dataset": True},
        )
        trainer = _trainer_class()(
            model=base.model,
            args=arguments,
            train_dataset=ready.train if ready else Dataset.from_list(self.rows),
            eval_dataset=ready.evaluate if ready else Dataset.from_list(self.eval_rows) if self.eval_rows else None,
            processing_class=base.tokenizer,
            peft_config=lora_config(h),
            callbacks=[callback],
        )
        self.check_kept(len(trainer.train_dataset), len(trainer.eval_dataset or ()))
        return trainer

    def examples(self) -> tuple[list[data.Row], list[data.Row]]:
        """The rows to train on and to evaluate on, as they are tokenised."""
        return self.rows, self.eval_rows

    def encoder(self, folder: str) -> Callable[[list[data.Row]], object]:
        """What tokenises rows for the base in `folder`."""
        tokenizer = load_text_tokenizer(folder)
        need_chat_template(tokenizer, self._are_chats())
        trainer_class, limit = _trainer_class(), self.config.hyperparameters.max_seq_length
        return lambda rows: trainer_class.tokenised(rows, tokenizer, limit, self.config.output_dir)

    def check_kept(self, trained: int, evaluated: int) -> None:
        """Fail when a tokenised part has no row left, and say how many were dropped."""
        limit = self.config.hyperparameters.max_seq_length
        if trained == 0:
            raise TrainerFailure(
                "invalid_dataset",
                f"No row has a token to learn within max_seq_length ({limit}): the prompts alone fill it",
            )
        if self.eval_rows and evaluated == 0:
            raise TrainerFailure(
                "invalid_dataset", f"No row for evaluation has a token to learn within max_seq_length ({limit})"
            )
        dropped = len(self.rows) - trained
        if dropped:
            self.report.notice(
                f"Dropped {dropped} of {len(self.rows)} rows: their prompt fills max_seq_length ({limit})"
            )

    def _are_chats(self) -> bool:
        return "text" not in self.rows[0] and any(isinstance(value, list) for value in self.rows[0].values())

    def test_rows(self) -> list[TestRow]:
        """The rows to test on: what comes before the last reply is asked."""
        asked = map(asked_and_expected, self.rows_to_test)
        return [TestRow(plain_text(prompt), expected, prompt) for prompt, expected in asked]

    def predict(self, folder: str, rows: list[TestRow], told: Callable[[], None]) -> list[str]:
        """What the checkpoint in `folder` answers."""
        h = self.config.hyperparameters
        limits = generation.Limits(eval_batch_size(h), prompt_tokens=h.max_seq_length, new_tokens=h.max_seq_length)
        return generation.answers(folder, self.base_folder, rows, limits, len(self.config.gpus) > 0, told)

    def check_end(self) -> None:
        """Nothing can be wrong with a job of this method that has ended."""

    def close(self) -> None:
        """Nothing is held."""


def _trainer_class():
    import torch
    from datasets import Dataset
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    class ResumableSFTTrainer(QuietEvaluation, SFTTrainer):
        """TRL's trainer whose token count survives a resume, and which evaluates by the plain loss."""

        def evaluate(self, *args, **kwargs):
            # The dynamic one is near 0 for what a model finds absurd too: in training it pulls less, here it would lie.
            weighted, self.compute_loss_func = self.compute_loss_func, None
            try:
                return super().evaluate(*args, **kwargs)
            finally:
                self.compute_loss_func = weighted

        def _save_checkpoint(self, model, trial):
            super()._save_checkpoint(model, trial)
            if self.args.should_save:
                folder = os.path.join(self._get_output_dir(trial=trial), f"checkpoint-{self.state.global_step}")
                torch.save({"total_train_tokens": self._total_train_tokens}, os.path.join(folder, STATE_FILE))

        def _load_optimizer_and_scheduler(self, checkpoint):
            super()._load_optimizer_and_scheduler(checkpoint)
            if checkpoint is not None:
                state = torch.load(os.path.join(checkpoint, STATE_FILE), weights_only=True)
                self._total_train_tokens = state["total_train_tokens"]

        @classmethod
        def tokenised(cls, rows, tokenizer, max_length, output_dir):
            """What a trainer of this class makes of its rows, made without one, which would need the model."""
            maker = cls.__new__(cls)
            # All that preparing a dataset reads of the trainer.
            maker._tokenizer, maker.chat_template = tokenizer, None
            maker.completion_only_loss = "prompt" in rows[0]
            arguments = SFTConfig(output_dir, max_length=max_length, packing=False, use_cpu=True, bf16=False)
            made = maker._prepare_dataset(Dataset.from_list(rows), tokenizer, arguments, False, None, "train")
            return made.select_columns(["input_ids", "labels"])

        def create_model_card(self, *args, **kwargs):
            """No card: it would name this machine's folders."""

    return ResumableSFTTrainer


STATE_FILE = "anneal_state.pt"
