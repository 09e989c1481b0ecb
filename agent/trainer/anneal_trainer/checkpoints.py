"""Folders that leave the trainer: a model that `from_pretrained` loads, and an adapter beside it.

Resume checkpoints are the library's own folders and are written by it (see `callbacks`). Nothing here holds a path of
this machine or a pickle.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass

from .base_models import name_of
from .config import BaseModel
from .models import ModelKind


@dataclass(frozen=True)
class ModelWriter:
    """Writes the trained model as epoch and final checkpoints do."""

    base: BaseModel
    base_folder: str
    output_dir: str
    kind: ModelKind

    def gather(self, trainer) -> dict | None:
        """On every rank: the whole weights of a model that ranks share, for the first; None when each has them."""
        return trainer.accelerator.get_state_dict(trainer.model) if trainer.is_fsdp_enabled else None

    def write(self, trainer, name: str, weights: dict | None) -> dict[str, str]:
        """Write the model to `name` below the output folder; the answer is a checkpoint line's `dir` and `adapter_dir`.

        An adapter is merged into a base that only this machine has; a hub's base is not copied into every checkpoint.
        """
        kept = os.path.join(self.output_dir, f"{name}-trained")
        self.keep(trainer, kept, weights)
        return self.complete(trainer, kept, name)

    def keep(self, trainer, folder: str, weights: dict | None) -> None:
        """Write what is trained, and no more, to `folder`: the whole model, or its adapter."""
        _clear(folder)
        model = trainer.accelerator.unwrap_model(trainer.model)
        adapter = self.kind.adapter(model)
        if adapter is not None:
            self._write_adapter(trainer, adapter, folder, weights)
        else:
            self.kind.save(model, folder, weights)
            trainer.processing_class.save_pretrained(folder)

    def complete(self, trainer, kept: str, name: str) -> dict[str, str]:
        """Make the checkpoint `name` of what was kept, whose folder is used up."""
        folder = os.path.join(self.output_dir, name)
        trained = self.kind.adapter(trainer.accelerator.unwrap_model(trainer.model))
        if trained is None:
            _move(kept, folder)
            return {"dir": folder}
        adapter = f"{folder}-adapter"
        _move(kept, adapter)
        _clear(folder)
        if self.base.kind == "hub":
            shutil.copytree(adapter, folder, dirs_exist_ok=True)
        else:
            self._merge(trained.dtype, adapter, folder)
            trainer.processing_class.save_pretrained(folder)
        return {"dir": folder, "adapter_dir": adapter}

    def _write_adapter(self, trainer, model, folder: str, weights: dict | None) -> None:
        model.save_pretrained(folder, state_dict=weights)
        trainer.processing_class.save_pretrained(folder)
        card = os.path.join(folder, "README.md")
        if os.path.exists(card):
            os.unlink(card)
        path = os.path.join(folder, "adapter_config.json")
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
        value["base_model_name_or_path"] = name_of(self.base)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(value, file, indent=2, sort_keys=True)
        if value["task_type"] == "SEQ_CLS":
            # What the outputs of its head mean is nowhere else.
            model.get_base_model().config.save_pretrained(folder)

    def _merge(self, dtype, adapter: str, folder: str) -> None:
        """Into a fresh copy of the base: merging in place and back would change the weights that train on."""
        import torch

        with torch.random.fork_rng(devices=[]):
            merged = self.kind.merged(self.kind.load(self.base_folder, dtype), adapter)
            self.kind.save(merged, folder, None)


def _clear(folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)


def _move(source: str, folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.rename(source, folder)
