"""The base model in memory, how a kind of model is loaded and written, and what every method's arguments share."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from typing import Protocol

from .config import Config, Hyperparameters
from .failures import TrainerFailure
from .optimisation import optimiser_arguments
from .report import Reporter

ONLY_DATA = {"local_files_only": True, "trust_remote_code": False}
# What the libraries raise for a folder that has not the model it should have.
LOADING_ERRORS = (ValueError, OSError, KeyError, ImportError)
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
    # Parameters that the folder does not have, or has for something else: their numbers are drawn, by the job's seed.
    drawn: frozenset[str] = frozenset()


class ModelKind(Protocol):
    """What a method trains: how its model comes from a folder, and how it and its adapter become one."""

    def load(self, folder: str, dtype):
        """The model of a folder, from safetensors and without any code of theirs."""

    def adapter(self, model):
        """The part of a trained model that is its adapter; None in full training."""

    def save(self, model, folder: str, weights: dict | None) -> None:
        """Write the whole model; `weights` is what ranks have gathered for it."""

    def merged(self, base, adapter_folder: str):
        """`base`, just loaded, with the adapter of a folder merged into it."""


@dataclass(frozen=True)
class TransformersKind:
    """What an auto class of transformers loads, with settings that its folder need not have."""

    auto_class: str
    settings: dict[str, object] = field(default_factory=dict)

    def load(self, folder: str, dtype):
        return self.load_and_tell(folder, dtype)[0]

    def load_and_tell(self, folder: str, dtype) -> tuple:
        """The model, and the names of those parameters that its folder does not have."""
        import transformers

        auto_class = getattr(transformers, self.auto_class)
        model, told = auto_class.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, output_loading_info=True, **ONLY_DATA, **self.settings
        )
        mismatched = (key if isinstance(key, str) else key[0] for key in told["mismatched_keys"])
        return model, frozenset({*told["missing_keys"], *mismatched})

    def shape(self, folder: str):
        """The model of a folder without its weights: a large one costs nothing."""
        import torch
        import transformers

        described = transformers.AutoConfig.from_pretrained(folder, **ONLY_DATA)
        with torch.device("meta"):
            return getattr(transformers, self.auto_class).from_config(described)

    def adapter(self, model):
        from accelerate.utils import is_peft_model

        return model if is_peft_model(model) else None

    def save(self, model, folder: str, weights: dict | None) -> None:
        model.save_pretrained(folder, state_dict=weights)

    def merged(self, base, adapter_folder: str):
        from peft import PeftModel

        described = os.path.join(adapter_folder, "config.json")
        if base.config.pad_token_id is None and os.path.isfile(described):
            # A head that reads whole texts finds their ends by it, and the base has none.
            with open(described, encoding="utf-8") as file:
                base.config.pad_token_id = json.load(file).get("pad_token_id")
        return PeftModel.from_pretrained(base, adapter_folder).merge_and_unload()


LANGUAGE_MODEL = TransformersKind("AutoModelForCausalLM")


def restore(kind: ModelKind, folder: str, base_folder: str, dtype=None):
    """The model of a checkpoint's folder, in 32 bits by default, which may hold no more than the adapter of a base."""
    import torch

    dtype = dtype or torch.float32
    if os.path.isfile(os.path.join(folder, "adapter_config.json")):
        return kind.merged(kind.load(base_folder, dtype), folder)
    return kind.load(folder, dtype)


def weights_type(on_gpu: bool, lora: bool):
    """Full training keeps 32-bit weights and computes in bf16; a frozen base needs no more than bf16."""
    import torch

    return torch.bfloat16 if on_gpu and lora else torch.float32


def load(folder: str, on_gpu: bool, lora: bool, world_size: int, is_sharded: bool) -> Loaded:
    """Load a language model and its tokenizer from `folder`, from safetensors and without any code of theirs."""
    tokenizer = load_text_tokenizer(folder)
    try:
        model = LANGUAGE_MODEL.load(folder, weights_type(on_gpu, lora))
    except LOADING_ERRORS as error:
        raise _not_for_text(error) from error
    return Loaded(folder, model, tokenizer, on_gpu, world_size, is_sharded)


def load_text_tokenizer(folder: str):
    """The tokenizer of a language model."""
    try:
        tokenizer = load_tokenizer(folder)
    except LOADING_ERRORS as error:
        raise _not_for_text(error) from error
    if tokenizer.eos_token is None:
        raise TrainerFailure("base_model_unavailable", "The base model's tokenizer has no end-of-sequence token")
    return tokenizer


def _not_for_text(error: Exception) -> TrainerFailure:
    return TrainerFailure("base_model_unavailable", f"The base model is not one that can be trained for text: {error}")


def need_chat_template(tokenizer, needed: bool) -> None:
    """Fail when rows are chats and the model has no template for them."""
    if needed and not tokenizer.chat_template:
        raise TrainerFailure(
            "dataset_format_incompatible",
            "dataset_format_incompatible: the rows are chats (or system_prompt makes them so) and the base "
            "model has no chat template; use a chat model, or rows of plain text",
        )


def load_tokenizer(folder: str):
    """The tokenizer of a folder, without any code of theirs."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, **ONLY_DATA)


def pad_with_something(tokenizer) -> None:
    """Batches need padding; where there is no token for it, the one that ends a text does as well: it is masked."""
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise TrainerFailure("base_model_unavailable", "The base model's tokenizer has no token to pad with")
        tokenizer.pad_token = tokenizer.eos_token


def common_arguments(config: Config, base: Loaded, report: Reporter) -> dict[str, object]:
    """TrainingArguments of every method; saving is the callback's, so the library's own strategy is off."""
    h = config.hyperparameters
    return {
        **optimiser_arguments(h, base.on_gpu, report),
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
        # A job that goes on has been evaluated at its start.
        "eval_on_start": bool(config.eval and config.eval.at_start) and config.resume_from is None,
        "report_to": "none",
        "disable_tqdm": True,
    }


def positions(model) -> int | None:
    """How many tokens the model has places for; None when it does not say."""
    # RoBERTa and its like count from behind the place of padding.
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return module.num_embeddings - module.padding_idx - 1
    return getattr(model.config.get_text_config(), "max_position_embeddings", None)


def lora_config(
    h: Hyperparameters,
    task_type: str = "CAUSAL_LM",
    targets: list[str] | str = LORA_TARGETS,
    whole: list[str] | None = None,
):
    """The adapter that the job trains, or None for full fine-tuning. Modules in `whole` are trained as they are."""
    if h.lora_rank is None:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=h.lora_rank,
        lora_alpha=h.lora_rank if h.lora_alpha is None else h.lora_alpha,
        lora_dropout=h.lora_dropout or 0.0,
        target_modules=targets,
        task_type=task_type,
        modules_to_save=whole,
        exclude_modules="|".join(rf"{re.escape(name)}(\..*)?" for name in whole) if whole else None,
    )


def place_in_world() -> tuple[int, int]:
    """(rank, number of processes) as `launch` has set them."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
