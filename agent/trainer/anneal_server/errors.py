"""What a request can be refused with, in the shape of OpenAI's errors."""

from __future__ import annotations

_TYPES = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


class RequestError(Exception):
    """An answer of 4xx or 5xx; `param` is the field of the request that is at fault."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None):
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code

    def body(self) -> dict[str, object]:
        """What the client gets."""
        type = _TYPES.get(self.status, "server_error")
        return {"error": {"message": self.message, "type": type, "param": self.param, "code": self.code}}


def invalid(param: str, message: str) -> RequestError:
    """A request that asks for what cannot be done."""
    return RequestError(400, message, param)


def queue_full(limit: int) -> RequestError:
    """One more than the server may hold."""
    return RequestError(429, f"The server works on {limit} requests already", code="queue_full")
