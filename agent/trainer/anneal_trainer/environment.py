"""What the libraries read from the environment when they are imported, and the hub's token, which nobody else gets."""

from __future__ import annotations

import os
import sys


def before_imports(gpus: list[int], torch_threads: int | None) -> None:
    """Set what torch, its thread pools and the Hugging Face libraries read while they are imported."""
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", ",".join(str(gpu) for gpu in gpus))
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = "1"
    # Threads that wait by spinning bring a busy machine to a crawl, and a tiny model waits most of the time.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if torch_threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(torch_threads)


def go_offline() -> None:
    """No call to a hub, also by libraries that have been imported already and have read the variable."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    for name in ("huggingface_hub.constants", "datasets.config"):
        if name in sys.modules:
            sys.modules[name].HF_HUB_OFFLINE = True  # type: ignore[attr-defined]


def take_hub_token() -> str | None:
    """The hub's token, which is not in the environment any more."""
    for name in ("HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH"):
        os.environ.pop(name, None)
    return os.environ.pop("HF_TOKEN", None)
