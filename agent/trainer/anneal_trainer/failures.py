"""Why a job ended, in the protocol's closed list of reasons, and how a library's exception becomes one of them."""

from __future__ import annotations

import traceback


class TrainerFailure(Exception):
    """An end of the job that has a reason of the closed list and a sentence a person can act on."""

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason = reason
        self.message = message


# What the CUDA runtime says when the device or its driver is at fault, and not the job.
_CUDA_FAULTS = (
    "no cuda gpus are available",
    "cuda driver version",
    "cuda unknown error",
    "uncorrectable ecc",
    "unspecified launch failure",
    "device is busy or unavailable",
    "found no nvidia driver",
)
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "failed to allocate")


def classify(error: BaseException) -> TrainerFailure:
    """The failure that an exception means; what nobody foresaw is `trainer_error` with its own words."""
    if isinstance(error, TrainerFailure):
        return error
    text = f"{type(error).__name__}: {error}"
    lowered = text.lower()
    if (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or any(words in lowered for words in _OUT_OF_MEMORY)
    ):
        return TrainerFailure(
            "out_of_memory",
            "The job ran out of memory. Lower the batch size, the prompt and response lengths, use LoRA, "
            f"or ask for a larger GPU. ({_short(text)})",
        )
    if any(words in lowered for words in _CUDA_FAULTS):
        return TrainerFailure("cuda_unavailable", f"The GPU could not be used: {_short(text)}")
    return TrainerFailure("trainer_error", _short(f"{text} [{_where(error)}]"))


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "no traceback"
    last = frames[-1]
    return f"{last.filename.rsplit('site-packages/', 1)[-1].rsplit('/', 2)[-1]}:{last.lineno}"


def _short(text: str, limit: int = 2000) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
