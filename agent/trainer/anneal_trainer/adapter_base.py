"""A base model that is no more than an adapter of another, as a LoRA job on a hub's model leaves it: merged first."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from .failures import TrainerFailure
from .models import LANGUAGE_MODEL, LOADING_ERRORS, ModelKind, TransformersKind, load_tokenizer
from .sentence_model import SentenceKind

_CONFIG = "adapter_config.json"


def base_of(folder: str) -> str | None:
    """The name of the model that a folder is an adapter of; None when it is none."""
    path = os.path.join(folder, _CONFIG)
    if not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8") as file:
        name = json.load(file).get("base_model_name_or_path")
    if not isinstance(name, str) or name == "":
        raise TrainerFailure("base_model_unavailable", "The base model is an adapter that names no base")
    return name


def merge(adapter: str, fetch: Callable[[str], str], folder: str) -> None:
    """Write to `folder` what an adapter makes of its base, which `fetch` gets by its name."""
    import torch

    base = fetch(base_of(adapter) or "")
    try:
        kind = kind_of(adapter)
        merged = kind.merged(kind.load(base, torch.float32), adapter)
        os.makedirs(folder, exist_ok=True)
        kind.save(merged, folder, None)
        load_tokenizer(adapter).save_pretrained(folder)
    except LOADING_ERRORS as error:
        raise TrainerFailure(
            "base_model_unavailable", f"The base model is an adapter that does not fit its base: {error}"
        ) from error


def kind_of(adapter: str) -> ModelKind:
    """What an adapter was trained as."""
    with open(os.path.join(adapter, _CONFIG), encoding="utf-8") as file:
        task = json.load(file).get("task_type")
    if task == "SEQ_CLS":
        # What its head is for is beside it.
        with open(os.path.join(adapter, "config.json"), encoding="utf-8") as file:
            described = json.load(file)
        names = {int(at): name for at, name in described["id2label"].items()}
        settings = {"id2label": names, "label2id": described["label2id"], "problem_type": described["problem_type"]}
        settings |= {"num_labels": len(names), "ignore_mismatched_sizes": True}
        return TransformersKind("AutoModelForSequenceClassification", settings)
    return SentenceKind(10**9) if task == "FEATURE_EXTRACTION" else LANGUAGE_MODEL
