"""The base model in memory, and what every method's arguments share."""

from __future__ import annotations

import os
from dataclasses import dataclass

from .config import Config, Hyperparameters
from .failures import TrainerFailure

LORA_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
# FSDP2 by transformers' layers. Whole state dicts: a resume checkpoint is one process's files whatever the world size.
SHARDED: dict[str, object] = {"fsdp": True, "fsdp_config": {"version": 2, "state_dict_type": "FULL_STATE_DICT"}}


@dataclass(frozen=True)
class Loaded:
    """A base model that is ready to train."""

    folder: str
    model: object
    tokenizer: object
    on_gpu: bool
    world_size: int
    is_sharded: bool

    def need_chat_template(self, needed: bool) -> None:
        """Fail when rows are chats and the model has no template for them."""
        if needed and not self.tokenizer.chat_template:  # type: ignore[attr-defined]
            raise TrainerFailure(
                "dataset_format_incompatible",
                "dataset_format_incompatible: the rows are chats (or system_prompt makes them so) and the base "
                "model has no chat template; use a chat model, or rows of plain text",
            )


def load(folder: str, on_gpu: bool, lora: bool, world_size: int, is_sharded: bool) -> Loaded:
    """Load the model and its tokenizer from `folder`, from safetensors and without any code of theirs."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    only_data = {"local_files_only": True, "trust_remote_code": False}
    # Full training keeps 32-bit weights and computes in bf16; a frozen base needs no more than bf16.
    dtype = torch.bfloat16 if on_gpu and lora else torch.float32
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **only_data)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, use_safetensors=True, **only_data)
    except (ValueError, OSError, KeyError, ImportError) as error:
        raise TrainerFailure(
            "base_model_unavailable", f"The base model is not one that can be trained for text: {error}"
        ) from error
    if tokenizer.eos_token is None:
        raise TrainerFailure("base_model_unavailable", "The base model's tokenizer has no end-of-sequence token")
    return Loaded(folder, model, tokenizer, on_gpu, world_size, is_sharded)


def common_arguments(config: Config, base: Loaded) -> dict[str, object]:
    """TrainingArguments of every method; saving is the callback's, so the library's own strategy is off."""
    h: Hyperparameters = config.hyperparameters  # type: ignore[attr-defined]
    return {
        **(SHARDED if base.is_sharded else {}),
        "output_dir": config.output_dir,
        "learning_rate": h.learning_rate,
        "num_train_epochs": h.num_epochs,
        "max_steps": -1 if h.max_steps is None else h.max_steps,
        "seed": h.seed,
        "use_cpu": not base.on_gpu,
        "bf16": base.on_gpu,
        "gradient_checkpointing": base.on_gpu,
        "dataloader_pin_memory": base.on_gpu,
        "logging_steps": 1,
        # A NaN loss must be seen, not smoothed over.
        "logging_nan_inf_filter": False,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }


def lora_config(h: Hyperparameters):
    """The adapter that the job trains, or None for full fine-tuning."""
    if h.lora_rank is None:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=h.lora_rank,
        lora_alpha=h.lora_rank if h.lora_alpha is None else h.lora_alpha,
        lora_dropout=h.lora_dropout or 0.0,
        target_modules=LORA_TARGETS,
        task_type="CAUSAL_LM",
    )


def place_in_world() -> tuple[int, int]:
    """(rank, number of processes) as `launch` has set them."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
