"""What went wrong in a model or while one was loaded, as the answer to a request."""

from __future__ import annotations

import sys

from anneal_trainer.failures import classify

from .errors import RequestError

_CODES = {"trainer_error": "server_error"}
_NO_MEMORY = "The machine ran out of memory: this needs shorter texts, fewer requests at once, or a larger machine"
# The fault of what was asked for, and of a line that may be up again.
_STATUS = {"base_model_unavailable": 400, "download_failed": 503}


def told(error: Exception) -> RequestError:
    """The error as an answer; one that nobody foresaw is in the server's own log too."""
    failure = classify(error)
    if failure.reason == "trainer_error":
        sys.excepthook(type(error), error, error.__traceback__)
    message = _NO_MEMORY if failure.reason == "out_of_memory" else failure.message
    return RequestError(_STATUS.get(failure.reason, 500), message, code=_CODES.get(failure.reason, failure.reason))
