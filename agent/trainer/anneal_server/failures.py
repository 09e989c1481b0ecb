"""What went wrong in a model or while one was loaded, as the answer to a request."""

from __future__ import annotations

import sys

from anneal_trainer.failures import classify

from .errors import RequestError

# The fault of what was asked for, and of a line that may be up again.
_STATUS = {"base_model_unavailable": 400, "download_failed": 503}


def told(error: Exception) -> RequestError:
    """The error as an answer; one that nobody foresaw is in the server's own log too."""
    failure = classify(error)
    if failure.reason == "trainer_error":
        sys.excepthook(type(error), error, error.__traceback__)
    return RequestError(_STATUS.get(failure.reason, 500), failure.message, code=failure.reason)
