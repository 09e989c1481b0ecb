"""The job's words for batches and the optimizer as TrainingArguments; what is absent stays the library's default."""

from __future__ import annotations

import importlib.util

from .config import Hyperparameters, RowHyperparameters
from .failures import TrainerFailure
from .report import Reporter

# Our names for what only bitsandbytes has.
_EIGHT_BIT = {"adamw_8bit": "adamw_bnb_8bit", "paged_adamw_8bit": "paged_adamw_8bit"}
_SAME_NAME = {"weight_decay", "adam_beta1", "adam_beta2", "max_grad_norm"}


def optimiser_arguments(h: Hyperparameters, on_gpu: bool, report: Reporter) -> dict[str, object]:
    """Schedule, warm-up, decay, clipping (0: none) and optimizer."""
    arguments: dict[str, object] = {name: value for name in _SAME_NAME if (value := getattr(h, name)) is not None}
    if h.lr_scheduler is not None:
        arguments["lr_scheduler_type"] = h.lr_scheduler
    if h.warmup_steps is not None:
        arguments["warmup_steps"] = h.warmup_steps
    elif h.warmup_ratio is not None:
        # The library takes a number of at least 1 for steps; this share of any number of steps is all of them.
        arguments["warmup_steps"] = min(h.warmup_ratio, 1 - 2**-30)
    if h.optimizer in _EIGHT_BIT:
        if on_gpu and importlib.util.find_spec("bitsandbytes") is not None:
            arguments["optim"] = _EIGHT_BIT[h.optimizer]
        else:
            missing = "bitsandbytes" if on_gpu else "a GPU"
            report.notice(f"The optimizer {h.optimizer} needs {missing}, which this host has not: adamw is used")
    return arguments


def batch_arguments(h: RowHyperparameters, world_size: int, loss_only: bool = True) -> dict[str, object]:
    """Rows of a pass in training and in evaluation, the passes of a step, and whether evaluations keep outputs."""
    accumulation, rest = divmod(h.global_batch_size, h.batch_size * world_size)
    if rest or accumulation == 0:
        raise TrainerFailure(
            "trainer_error",
            f"global_batch_size {h.global_batch_size} is no multiple of "
            f"batch_size {h.batch_size} × {world_size} processes",
        )
    return {
        "per_device_train_batch_size": h.batch_size,
        "gradient_accumulation_steps": accumulation,
        "per_device_eval_batch_size": eval_batch_size(h),
        "eval_accumulation_steps": h.eval_accumulation_steps,
        "prediction_loss_only": loss_only,
    }


def eval_batch_size(h: RowHyperparameters) -> int:
    """Rows of one pass of an evaluation or a test."""
    return h.eval_batch_size or h.batch_size
