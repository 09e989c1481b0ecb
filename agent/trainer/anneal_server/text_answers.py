"""An answer in OpenAI's words: one object, or a piece of it for each turn that adds some text."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from .errors import RequestError
from .failures import told
from .generation import Generation, Piece
from .turns import Ticket

_DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class TextAnswer:
    """The answer to one request for `model`."""

    model: str
    is_chat: bool
    prompt_tokens: int
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))

    async def whole(self, ticket: Ticket[Piece], work: Generation) -> dict[str, object]:
        """All of it, when it is there."""
        text, reason = "", None
        while reason is None:
            piece = await ticket.next()
            text, reason = text + piece.text, piece.finish_reason
        content = {"message": {"role": "assistant", "content": text}} if self.is_chat else {"text": text}
        choice = {"index": 0, **content, "logprobs": None, "finish_reason": reason}
        return {**self._head(""), "choices": [choice], "usage": usage(self.prompt_tokens, work.tokens)}

    async def pieces(self, ticket: Ticket[Piece], work: Generation, include_usage: bool) -> AsyncIterator[bytes]:
        """Events; what goes wrong after the first is an event too, and the last."""
        try:
            # The role comes with the first token: before it, the request may still be asked elsewhere.
            is_first = self.is_chat
            reason = None
            while reason is None:
                piece = await ticket.next()
                reason = piece.finish_reason
                if is_first:
                    yield self._event({"role": "assistant", "content": ""}, None)
                    is_first = False
                if piece.text:
                    yield self._event({"content": piece.text}, None)
                if reason is not None:
                    yield self._event({}, reason)
        except Exception as error:  # the head has been sent: this is the only place left to tell it
            failure = error if isinstance(error, RequestError) else told(error)
            yield _event(failure.body())
            return
        if include_usage:
            yield _event({**self._head(".chunk"), "choices": [], "usage": usage(self.prompt_tokens, work.tokens)})
        yield _DONE

    def _event(self, delta: dict[str, str], reason: str | None) -> bytes:
        content = {"delta": delta} if self.is_chat else {"text": delta.get("content", "")}
        choice = {"index": 0, **content, "logprobs": None, "finish_reason": reason}
        return _event({**self._head(".chunk"), "choices": [choice]})

    def _head(self, suffix: str) -> dict[str, object]:
        prefix, object = ("chatcmpl", f"chat.completion{suffix}") if self.is_chat else ("cmpl", "text_completion")
        return {"id": f"{prefix}-{self.id}", "object": object, "created": self.created, "model": self.model}


def usage(prompt_tokens: int, completion_tokens: int = 0) -> dict[str, int]:
    """The counts of an answer; the token that ends it is one of its own."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


def _event(value: dict[str, object]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
