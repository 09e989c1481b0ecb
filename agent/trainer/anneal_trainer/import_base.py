"""A task of kind `import`: bring a base model to a folder that leaves this machine, and its tokenizer alone to another.

What comes is what training would load: safetensors, configuration and tokenizer files. No code, no pickles.
"""

from __future__ import annotations

import json
import os
import shutil
import threading

from . import base_models
from .config import Config
from .failures import TrainerFailure
from .models import LOADING_ERRORS, ONLY_DATA, load_tokenizer
from .report import Reporter
from .stop import StopSwitch

SECONDS_BETWEEN_SIGNS = 5  # half of the shortest hang_timeout_seconds


def bring(config: Config, token: str | None, manifest: dict[str, object], report: Reporter, stop: StopSwitch) -> None:
    """Bring the job's base model; ends with `finished` or `stopped`, or raises."""
    report.send(
        "started",
        total_steps=1,
        resumed_from_step=0,
        world_size=manifest["world_size"],
        device="cpu",
        versions=manifest["versions"],
    )
    made, tokenizer = (os.path.join(config.output_dir, name) for name in ("model", "tokenizer"))
    with _Signs(report):
        source = base_models.prepare(config.base_model, os.path.join(config.output_dir, "base-0"), token)
        _check(source)
        _copy(source, made)
        _tokenizer_of(made).save_pretrained(tokenizer)
    if stop.requested:
        report.send("stopped", step=0)
        return
    report.send("progress", step=1, total_steps=1, epoch=0.0)
    report.send("checkpoint", kind="final", step=0, epoch=0.0, dir=made, tokenizer_dir=tokenizer, **manifest)
    report.send("finished", step=1)


class _Signs:
    """Life signs from a thread of its own while files come in: a large model takes longer than the bound on silence."""

    def __init__(self, report: Reporter):
        self._report = report
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _tell(self) -> None:
        while not self._over.wait(SECONDS_BETWEEN_SIGNS):
            self._report.send("progress", step=0, total_steps=1, epoch=0.0)


def _check(folder: str) -> None:
    """Refuse what could not be trained on: another kind of model, or weights that are not whole."""
    from safetensors import SafetensorError, safe_open
    from transformers import AutoConfig

    try:
        AutoConfig.from_pretrained(folder, **ONLY_DATA)
    except LOADING_ERRORS as error:
        raise TrainerFailure(
            "base_model_unavailable", f"The base model is of a kind that is not known here: {error}"
        ) from error
    weights = [path for path in base_models.files_of(folder) if path.endswith(".safetensors")]
    if not weights:
        raise TrainerFailure("base_model_unavailable", "The base model has no safetensors weights")
    missing = sorted(_named_shards(folder) - {os.path.basename(path) for path in weights})
    if missing:
        raise TrainerFailure("base_model_unavailable", f"The base model's weights lack {', '.join(missing[:5])}")
    for path in weights:
        try:
            with safe_open(os.path.join(folder, path), "np"):
                pass
        except SafetensorError as error:
            raise TrainerFailure("base_model_unavailable", f"{path} is no whole safetensors file: {error}") from error


def _named_shards(folder: str) -> set[str]:
    index = os.path.join(folder, "model.safetensors.index.json")
    if not os.path.isfile(index):
        return set()
    with open(index, encoding="utf-8") as file:
        return set(json.load(file)["weight_map"].values())


def _tokenizer_of(folder: str):
    try:
        return load_tokenizer(folder)
    except LOADING_ERRORS as error:
        raise TrainerFailure(
            "base_model_unavailable", f"The base model has no tokenizer that loads: {error}"
        ) from error


def _copy(source: str, folder: str) -> None:
    """The files that training would read. Of a hub's cache they are links to what other jobs use: the agent deletes
    what it is told of, so each becomes a file of its own, without room where the file system has hard links."""
    for name in base_models.files_of(source):
        target = os.path.join(folder, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        real = os.path.realpath(os.path.join(source, name))
        try:
            os.link(real, target)
        except OSError:
            shutil.copyfile(real, target)
