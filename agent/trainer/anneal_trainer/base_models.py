"""Where a job's base model comes from: made on the spot, a folder, or downloaded from a hub. Always ends as a folder.

A folder may be no more than an adapter: what it adapts is got first, and the two are merged.

A hub model is downloaded first and loaded from its folder afterwards, so that a refusal or a broken download is told
apart from a model that does not load. Only safetensors, configuration and tokenizer files are fetched; code never.
"""

from __future__ import annotations

import fnmatch
import os

from .adapter_base import base_of, merge
from .config import BaseModel
from .failures import TrainerFailure
from .tiny_models import TINY_BERT, TINY_LLAMA, make_tiny_bert, make_tiny_llama

HUB_FILES = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja", "*.model", "*.txt"]
# What many repositories keep a second copy of their weights in.
HUB_IGNORED = ["original/*", "onnx/*", "consolidated*"]


_BUILT_IN = {TINY_LLAMA: make_tiny_llama, TINY_BERT: make_tiny_bert}


def prepare(base: BaseModel, folder: str, token: str | None) -> str:
    """The folder of the base model's files; `folder` is where one that is made goes, `token` is for the hub."""
    if base.kind == "builtin":
        return _make(base.name, folder)
    if base.kind == "path":
        return _local(base.path, folder, token)
    if base.id is None:
        raise TrainerFailure("base_model_unavailable", "The base model has no id")
    return _download(base.id, token)


def files_of(folder: str) -> list[str]:
    """The files of a base model's folder that are read, sorted: no code, no pickles, no second copy of the weights."""
    names = (
        os.path.relpath(os.path.join(parent, name), folder) for parent, _, files in os.walk(folder) for name in files
    )
    return sorted(name for name in names if _matches(name, HUB_FILES) and not _matches(name, HUB_IGNORED))


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def needs_hub(base: BaseModel) -> bool:
    """Whether a hub must be asked for it, or for what it is an adapter of."""
    if base.kind != "path" or base.path is None:
        return base.kind == "hub"
    name = base_of(base.path)
    return name is not None and name not in _BUILT_IN


def _make(name: str | None, folder: str) -> str:
    make = _BUILT_IN.get(name or "")
    if make is None:
        raise TrainerFailure("base_model_unavailable", f"There is no built-in model {name}")
    make(folder)
    return folder


def _local(path: str | None, folder: str, token: str | None) -> str:
    if path is not None and base_of(path) is not None:
        below = f"{folder}-of-adapter"
        merge(path, lambda name: _make(name, below) if name in _BUILT_IN else _download(name, token), folder)
        return folder
    if path is None or not os.path.isfile(os.path.join(path, "config.json")):
        raise TrainerFailure("base_model_unavailable", "The base model's folder has no config.json")
    return path


def name_of(base: BaseModel) -> str | None:
    """How an adapter may name its base; a folder of this machine has no name elsewhere."""
    return base.name if base.kind == "builtin" else base.id


def _download(model_id: str, token: str | None) -> str:
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionResolutionError,
        XetDownloadError,
    )

    try:
        folder = snapshot_download(
            model_id, allow_patterns=HUB_FILES, ignore_patterns=HUB_IGNORED, token=token or False
        )
    except GatedRepoError as error:
        raise TrainerFailure(
            "base_model_unavailable",
            f"{model_id} is gated: accept its terms on the hub and connect a token that may read it",
        ) from error
    except RepositoryNotFoundError as error:
        raise TrainerFailure(
            "base_model_unavailable", f"{model_id} does not exist on the hub, or is private and no token may read it"
        ) from error
    except HFValidationError as error:
        raise TrainerFailure("base_model_unavailable", f"{model_id!r} is no model id: {error}") from error
    except LocalEntryNotFoundError as error:
        # What the hub's library says when it could not ask: the cause tells a refusal from a broken line.
        cause = error.__cause__
        if isinstance(cause, HfHubHTTPError):
            raise _http_failure(model_id, cause) from error
        raise TrainerFailure(
            "download_failed", f"The hub could not be reached for {model_id}: {cause or error}"
        ) from error
    except HfHubHTTPError as error:
        raise _http_failure(model_id, error) from error
    except (httpx.HTTPError, OSError, XetDownloadError, RevisionResolutionError) as error:
        raise TrainerFailure("download_failed", f"The download of {model_id} broke off: {error}") from error
    names = [name for _, _, files in os.walk(folder) for name in files]
    if "config.json" not in names:
        raise TrainerFailure("base_model_unavailable", f"{model_id} has no config.json")
    if not any(name.endswith(".safetensors") for name in names):
        raise TrainerFailure(
            "base_model_unavailable", f"{model_id} has no safetensors weights; other kinds are not loaded"
        )
    return folder


def _http_failure(model_id: str, error: Exception) -> TrainerFailure:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403, 404):
        return TrainerFailure("base_model_unavailable", f"The hub refused {model_id} with {status}: {error}")
    return TrainerFailure("download_failed", f"The hub answered {status} for {model_id}: {error}")
