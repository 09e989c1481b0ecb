"""A sentence-transformers model: from its own folder, or a transformer's with the mean of its tokens' outputs."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from .failures import TrainerFailure
from .models import ONLY_DATA, pad_with_something, positions

_OWN_MODULES = "sentence_transformers."


@dataclass(frozen=True)
class SentenceKind:
    """A folder with `modules.json` is loaded as it says, any other transformer with mean pooling.

    A trained one is wrapped in its loss; what is the transformer's, as an adapter, is in the first of its modules.
    """

    max_seq_length: int

    def load(self, folder: str, dtype):
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.base.modules import Transformer
        from sentence_transformers.sentence_transformer.modules import Pooling

        weights = {"dtype": dtype, "use_safetensors": True}
        # Without a device it would take the first GPU, also one that a job was not given.
        if _has_modules(folder):
            encoder = SentenceTransformer(folder, device="cpu", model_kwargs=weights, **ONLY_DATA)
        else:
            transformer = Transformer(
                folder,
                model_kwargs={**weights, **ONLY_DATA},
                processor_kwargs=dict(ONLY_DATA),
                config_kwargs=dict(ONLY_DATA),
            )
            pooling = Pooling(transformer.get_embedding_dimension(), "mean")
            encoder = SentenceTransformer(modules=[transformer, pooling], device="cpu")
        limits = (encoder.max_seq_length, _positions(encoder[0]), self.max_seq_length)
        encoder.max_seq_length = min(limit for limit in limits if limit)
        pad_with_something(encoder.tokenizer)
        return encoder

    def adapter(self, model):
        from accelerate.utils import is_peft_model

        transformer = model.encoder[0].model
        return transformer if is_peft_model(transformer) else None

    def save(self, model, folder: str, weights: dict | None) -> None:
        encoder = getattr(model, "encoder", model)
        encoder.save_pretrained(folder, create_model_card=False)

    def merged(self, base, adapter_folder: str):
        from peft import PeftModel

        base[0].model = PeftModel.from_pretrained(base[0].model, adapter_folder).merge_and_unload()
        return base


def _positions(module) -> int | None:
    transformer = getattr(module, "model", None)
    return None if transformer is None else positions(transformer)


def _has_modules(folder: str) -> bool:
    path = os.path.join(folder, "modules.json")
    if not os.path.isfile(path):
        return False
    with open(path, encoding="utf-8") as file:
        modules = json.load(file)
    foreign = [module["type"] for module in modules if not module["type"].startswith(_OWN_MODULES)]
    if foreign:
        # The library would import whatever is named there.
        raise TrainerFailure("base_model_unavailable", f"The base model needs code of its own: {', '.join(foreign)}")
    return True
