"""Method `grpo`: reinforcement learning from reward functions, by TRL, resumable to the bit on a CPU."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from . import data, generation
from .config import GrpoConfig, GrpoHyperparameters
from .conversation import expected_of, plain_text
from .failures import TrainerFailure
from .models import LANGUAGE_MODEL, Loaded, ModelKind, common_arguments, load, lora_config, need_chat_template
from .preparation import divide
from .report import Reporter
from .rewards import ROW_COLUMN, Rewards
from .testing_rows import TestRow

# Tokens of one forward and backward pass: as many of a step's completions go together as fit, whole prompts' groups at
# a time. Few enough for the logits of a 150k vocabulary on a small GPU, many enough that tiny models are quick.
MICRO_BATCH_TOKENS = 8192
STATE_FILE = "anneal_state_{rank}.pt"


@dataclass
class Grpo:
    """One `grpo` job. `base_folder` is the base model's, once there is one."""

    config: GrpoConfig
    report: Reporter
    rows: list[data.GrpoRow] = field(default_factory=list)
    rows_to_test: list[data.GrpoRow] = field(default_factory=list)
    rewards: Rewards | None = None
    base_folder: str = ""

    def read(self) -> None:
        """Read the dataset and start the reward functions; bad data and code that does not load fail at once."""
        config, system_prompt = self.config, self.config.hyperparameters.system_prompt
        divided = divide(
            config, lambda dataset: data.grpo_rows(dataset.path, dataset.format, system_prompt), self.report
        )
        self.rows, self.rows_to_test = divided.train, divided.test
        for function in config.functions:
            if function.format == "test":
                for row in self.rows:
                    _expected(row, f"the testing function {function.name} as a reward")
        if config.test is not None and config.test.is_trained:
            return
        self.rewards = Rewards(config.functions, self.rows, config.user_code, config.hyperparameters.seed, self.report)
        self.rewards.start()
        self._functions = self.rewards.callables()

    @property
    def kind(self) -> ModelKind:
        """What is trained."""
        return LANGUAGE_MODEL

    def load(self, folder: str, on_gpu: bool, world_size: int, is_sharded: bool) -> Loaded:
        """The base, ready to train."""
        return load(folder, on_gpu, self.config.hyperparameters.lora_rank is not None, world_size, is_sharded)

    def make_trainer(self, base: Loaded, callback):
        """TRL's trainer over the prompts that are short enough."""
        from datasets import Dataset
        from trl.trainer.grpo_config import GRPOConfig

        h = self.config.hyperparameters
        need_chat_template(base.tokenizer, isinstance(self.rows[0].prompt, list))
        kept = self._short_enough(base.tokenizer)
        prompts_per_step = h.global_batch_size // h.rollouts_per_prompt
        if len(kept) < prompts_per_step:
            # TRL drops an incomplete batch, and here that would be all there is.
            self.report.notice(
                f"The dataset has {len(kept)} prompts and one step takes {prompts_per_step}: they repeat within a step"
            )
            kept = [kept[index % len(kept)] for index in range(prompts_per_step)]
        micro, accumulation = batch_shape(h, base.world_size)
        arguments = GRPOConfig(
            **common_arguments(self.config, base, self.report),
            per_device_train_batch_size=micro,
            gradient_accumulation_steps=accumulation,
            num_generations=h.rollouts_per_prompt,
            max_completion_length=h.max_response_length,
            beta=h.kl_coef,
            reward_weights=self.rewards.weights,
            remove_unused_columns=False,
        )
        return trainer_class()(
            model=base.model,
            reward_funcs=list(self._functions),
            args=arguments,
            train_dataset=Dataset.from_dict({"prompt": [self.rows[index].prompt for index in kept], ROW_COLUMN: kept}),
            processing_class=base.tokenizer,
            peft_config=lora_config(h),
            callbacks=[callback],
            rewards=self.rewards,
            show_samples=callback.show_samples,
        )

    def check_end(self) -> None:
        """A job that ends without a scored batch has learnt nothing."""
        self.rewards.check_end()

    def close(self) -> None:
        """End the reward functions' processes."""
        if self.rewards is not None:
            self.rewards.close()

    def test_rows(self) -> list[TestRow]:
        """The rows that the plan of tests asks for."""
        return [TestRow(plain_text(row.prompt), _expected(row, "a test"), row.prompt) for row in self.rows_to_test]

    def predict(self, folder: str, rows: list[TestRow], told: Callable[[], None]) -> list[str]:
        """What the checkpoint in `folder` answers."""
        h = self.config.hyperparameters
        limits = generation.Limits(
            batch_size=h.eval_batch_size or h.rollouts_per_prompt,
            prompt_tokens=h.max_prompt_length,
            new_tokens=h.max_response_length,
            may_exceed_expected=True,
        )
        return generation.answers(folder, self.base_folder, rows, limits, len(self.config.gpus) > 0, told)

    def _short_enough(self, tokenizer) -> list[int]:
        limit = self.config.hyperparameters.max_prompt_length
        tokens = [_prompt_tokens(tokenizer, row.prompt) for row in self.rows]
        kept = [index for index, count in enumerate(tokens) if 0 < count <= limit]
        empty = tokens.count(0)
        if empty:
            self.report.notice(f"Dropped {empty} of {len(self.rows)} rows: a model cannot go on from an empty prompt")
        dropped = len(self.rows) - len(kept) - empty
        if not kept and not dropped:
            raise TrainerFailure("invalid_dataset", "All prompts are empty")
        if not kept:
            raise TrainerFailure(
                "invalid_dataset", f"All {dropped} prompts are longer than max_prompt_length ({limit} tokens)"
            )
        if dropped:
            self.report.notice(
                f"Dropped {dropped} of {len(self.rows)} rows: prompts longer than max_prompt_length ({limit} tokens)"
            )
        return kept


def batch_shape(h: GrpoHyperparameters, world_size: int) -> tuple[int, int]:
    """(completions of one pass and process, passes of one step); times the processes, that is the global batch."""
    per_process, rest = divmod(h.global_batch_size, world_size)
    if rest or h.global_batch_size % h.rollouts_per_prompt:
        raise TrainerFailure(
            "trainer_error",
            f"global_batch_size {h.global_batch_size} is no multiple of rollouts_per_prompt {h.rollouts_per_prompt} "
            f"and of {world_size} processes",
        )
    unit = math.gcd(per_process, h.rollouts_per_prompt)
    room = MICRO_BATCH_TOKENS // (h.max_prompt_length + h.max_response_length)
    sizes = [size for size in range(unit, per_process + 1, unit) if per_process % size == 0 and size <= max(unit, room)]
    return sizes[-1], per_process // sizes[-1]


def _prompt_tokens(tokenizer, prompt: str | list[data.Message]) -> int:
    if isinstance(prompt, str):
        return len(tokenizer(prompt)["input_ids"])
    return len(
        tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=True, return_dict=True)["input_ids"]
    )


def trainer_class():
    """TRL's trainer with our rule for masked samples, and with the state that an exact resume needs."""
    import torch
    from trl.trainer.grpo_trainer import GRPOTrainer

    class ResumableGRPOTrainer(GRPOTrainer):
        """Saves the generation buffer with a checkpoint that falls in the middle of it; resumes in any epoch."""

        def __init__(self, *args, rewards: Rewards, show_samples, **kwargs):
            super().__init__(*args, **kwargs)
            self._rewards = rewards
            self._show_samples = show_samples

        def _calculate_rewards(self, inputs, prompts, completions, completion_ids_list):
            per_function = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
            masked = torch.isnan(per_function).any(dim=1)
            per_function[masked] = torch.nan
            totals = (per_function * self.reward_weights.to(per_function.device)).sum(dim=1)
            self._show_samples(
                self.state.global_step + 1,
                self.state.max_steps,
                list(zip(map(_text, prompts), map(_text, completions), totals.tolist(), strict=False)),
            )
            self._rewards.count_batch(int(masked.sum()), len(masked))
            return per_function

        def _get_train_sampler(self, dataset=None):
            self._sampler = super()._get_train_sampler(dataset)
            return self._sampler

        def _save_checkpoint(self, model, trial):
            super()._save_checkpoint(model, trial)
            folder = os.path.join(self._get_output_dir(trial=trial), f"checkpoint-{self.state.global_step}")
            generate_every = self.args.steps_per_generation * self.num_iterations
            torch.save(
                {
                    "world_size": self.args.world_size,
                    "step": self._step,
                    "buffered_inputs": self._buffered_inputs if self._step % generate_every else None,
                    "total_train_tokens": self._total_train_tokens,
                    "batches_scored": self._rewards.batches_scored,
                    "batches_masked_in_a_row": self._rewards.batches_masked_in_a_row,
                },
                os.path.join(folder, self._state_file()),
            )

        def _load_optimizer_and_scheduler(self, checkpoint):
            super()._load_optimizer_and_scheduler(checkpoint)
            if checkpoint is None:
                return
            path = os.path.join(checkpoint, self._state_file())
            if not os.path.exists(path):
                path = os.path.join(checkpoint, STATE_FILE.format(rank=0))
            state = torch.load(path, weights_only=True, map_location=self.accelerator.device)
            if state["world_size"] == self.args.world_size:
                self._step = state["step"]
                self._buffered_inputs = state["buffered_inputs"]
            else:
                # Passes are counted per process, and the buffer's rows were other ranks' too: it is generated again.
                self._step = self.state.global_step * self.args.gradient_accumulation_steps
            self._total_train_tokens = state["total_train_tokens"]
            # The sampler draws an order an epoch from a generator of its own, which nobody else winds on.
            for _ in range(int(self.state.epoch or 0)):
                torch.randperm(self._sampler.num_samples, generator=self._sampler.generator)
            self._rewards.batches_scored = state["batches_scored"]
            self._rewards.batches_masked_in_a_row = state["batches_masked_in_a_row"]

        def _state_file(self) -> str:
            return STATE_FILE.format(rank=self.args.process_index)

        def create_model_card(self, *args, **kwargs):
            """No card: it would name this machine's folders."""

    return ResumableGRPOTrainer


def _expected(row: data.GrpoRow, needed_by: str) -> str:
    expected = expected_of(row.columns)
    if expected is None:
        raise TrainerFailure(
            "dataset_format_incompatible",
            f"dataset_format_incompatible: {needed_by} needs rows with an expected output (completion, answer or "
            "label, or a last message of the assistant), and the row of the prompt "
            f"{plain_text(row.prompt)[:100]!r} has none",
        )
    return expected


def _text(prompt_or_completion) -> str:
    if isinstance(prompt_or_completion, str):
        return prompt_or_completion
    return "\n".join(f"{message['role']}: {message['content']}" for message in prompt_or_completion)
