"""Models of an engine in memory: its base once, and for each deployment what is its own.

An adapter gets modules of its own over the base's very weights, so that deployments need no switching between them.
"""

from __future__ import annotations

import copy
import os

from anneal_trainer import base_models
from anneal_trainer.adapter_base import kind_of
from anneal_trainer.config import BaseModel
from anneal_trainer.failures import TrainerFailure
from anneal_trainer.models import LANGUAGE_MODEL, LOADING_ERRORS, TransformersKind, load_tokenizer, positions
from anneal_trainer.sentence_model import SentenceKind
from anneal_trainer.sequence_model import pad

from .config import ServerConfig
from .generation import TextModel
from .whole_texts import EmbeddingModel, SequenceModel

Served = TextModel | SequenceModel | EmbeddingModel

_HEADED = TransformersKind("AutoModelForSequenceClassification")
_EMBEDDING = SentenceKind(10**9)  # as many tokens as the model has places for


class Loader:
    """Loads what is deployed; not for several threads at once. `folder` is where bases that are made go."""

    def __init__(self, config: ServerConfig, folder: str, token: str | None):
        self._config = config
        self._folder = folder
        self._token = token
        self._base_folder: str | None = None
        self._base: object = None
        # Of the base under heads: an adapter changes the names in the model that it is put on.
        self._weights: dict[str, object] = {}
        self._made = 0

    def load(self, form: str, path: str | None) -> Served:
        """A deployment's model, ready to answer."""
        try:
            return self._load(form, path)
        except LOADING_ERRORS as error:
            raise TrainerFailure("base_model_unavailable", f"The model does not load: {error}") from error

    def _load(self, form: str, path: str | None) -> Served:
        if form == "adapter" and path is not None:
            _check_adapter(path)
            return self._served(self._adapted(path), path if _has_tokenizer(path) else self._base_path())
        if form == "base" or path is None:
            return self._served(self._shared_base(), self._base_path())
        # It may be no more than an adapter of a model on a hub.
        self._made += 1
        whole = BaseModel("path", path=path)
        folder = base_models.prepare(whole, os.path.join(self._folder, f"merged-{self._made}"), self._token)
        return self._served(self._whole(folder), folder)

    def _base_path(self) -> str:
        if self._base_folder is None:
            made = os.path.join(self._folder, "base")
            self._base_folder = base_models.prepare(self._config.base_model, made, self._token)
        return self._base_folder

    def _shared_base(self):
        if self._base is None:
            self._base = self._whole(self._base_path())
            if self._has_head():
                self._share_weights(self._base)
        return self._base

    def _has_head(self) -> bool:
        return self._config.task in ("classification", "regression")

    def _whole(self, folder: str):
        """The model of a folder as it is."""
        if self._config.task == "embedding":
            return self._ready(_EMBEDDING.load(folder, self._dtype()))
        if self._config.task == "text-generation":
            return self._ready(LANGUAGE_MODEL.load(folder, self._dtype()))
        model, drawn = _HEADED.load_and_tell(folder, self._dtype())
        if drawn:
            raise TrainerFailure(
                "base_model_unavailable",
                f"The model was not trained for this: it has no {', '.join(sorted(drawn)[:3])}",
            )
        return self._ready(model)

    def _adapted(self, path: str):
        """The base with an adapter over it."""
        from peft import PeftModel

        if self._has_head():
            # Its head is its own, of its own size; the rest is the base's.
            model = self._ready(kind_of(path).load(self._base_path(), self._dtype()))
            self._share_weights(model)
            return PeftModel.from_pretrained(model, path).get_base_model().eval()
        model = _over_same_weights(self._shared_base())
        if self._config.task == "embedding":
            model[0].model = PeftModel.from_pretrained(model[0].model, path).eval()
            return model
        return PeftModel.from_pretrained(model, path).get_base_model().eval()

    def _share_weights(self, model) -> None:
        """Have the model use what an earlier one has of the base, and keep what is new for those to come."""
        for name, parameter in model.named_parameters():
            like = self._weights.setdefault(name, parameter)
            if like.shape == parameter.shape:  # type: ignore[attr-defined]
                parameter.data = like.data  # type: ignore[attr-defined]

    def _served(self, model, folder: str) -> Served:
        if self._config.task == "embedding":
            return EmbeddingModel(model)
        tokenizer = load_tokenizer(folder)
        limits = [limit for limit in (positions(model), tokenizer.model_max_length) if limit]
        limit = min(limits)
        if self._config.task == "text-generation":
            return TextModel(model, tokenizer, limit if limit < 10**9 else None)
        pad(tokenizer, model)
        return SequenceModel(model, tokenizer, limit, *_outputs(model.config, self._config.task))

    def _dtype(self):
        """On a CPU 32 bits, which it computes best in. On a GPU half for language models, others as their files are."""
        import torch

        if self._config.device == "cpu":
            return torch.float32
        return torch.bfloat16 if self._config.task == "text-generation" else "auto"

    def _ready(self, model):
        return model.to(self._config.device).eval()


def _over_same_weights(model):
    """Modules like those of `model`, with the very same tensors in them."""
    tensors = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})


def _outputs(described, task: str) -> tuple[list[str] | None, bool]:
    """The labels of a head's outputs, and whether just one of them is right."""
    is_number = described.problem_type == "regression"
    if described.problem_type is not None and is_number != (task == "regression"):
        raise TrainerFailure("base_model_unavailable", f"The model is one of {described.problem_type}, not of {task}")
    if task == "regression":
        return None, False
    # Who trains without our words for it means one of several, when there are several.
    is_one_of = described.problem_type == "single_label_classification" or (
        described.problem_type is None and described.num_labels > 1
    )
    return [described.id2label[at] for at in range(described.num_labels)], is_one_of


def _check_adapter(path: str) -> None:
    from peft import PeftConfig

    kind = PeftConfig.from_pretrained(path).peft_type
    if kind != "LORA":
        raise TrainerFailure("base_model_unavailable", f"The adapter is of kind {kind}, and only LORA is served")


def _has_tokenizer(path: str) -> bool:
    return os.path.isfile(os.path.join(path, "tokenizer_config.json"))
