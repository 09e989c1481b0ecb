"""Bodies of chat and completion requests: read, checked against the model, and turned into tokens."""

from __future__ import annotations

from dataclasses import dataclass

from anneal_trainer.generation import prompt_ids

from .errors import invalid
from .fields import Body, boolean, integer, refuse_far_too_long, refuse_unknown_meaning
from .generation import Asked, TextModel
from .sampling import Sampling

# OpenAI's own default, where a prompt is gone on with rather than answered.
_COMPLETION_TOKENS = 16
_MAX_STOPS = 16
_LIMITS = ("max_completion_tokens", "max_tokens")


@dataclass(frozen=True)
class TextRequest:
    """What a body asks for, whatever the model. A prompt may be tokens already."""

    is_chat: bool
    prompt: str | list[int] | list[dict]
    max_tokens: int | None
    limited_by: str
    min_tokens: int
    stop: list[str]
    sampling: Sampling
    stream: bool
    include_usage: bool

    @classmethod
    def of(cls, body: Body, is_chat: bool) -> TextRequest:
        """Read a body; 400 naming the field that is wrong."""
        refuse_unknown_meaning(body)
        options = body.get("stream_options")
        if options is not None and not isinstance(options, dict):
            raise invalid("stream_options", "`stream_options` must be an object")
        limited_by = next((name for name in _LIMITS if body.get(name) is not None), "max_tokens")
        return cls(
            is_chat=is_chat,
            prompt=_messages(body.get("messages")) if is_chat else _prompt(body.get("prompt")),
            max_tokens=integer(body, limited_by, 1),
            limited_by=limited_by,
            min_tokens=integer(body, "min_tokens", 0) or 0,
            stop=_stop(body.get("stop")),
            sampling=Sampling.of(body),
            stream=boolean(body, "stream"),
            include_usage=boolean(options or {}, "include_usage"),
        )

    def for_model(self, served: TextModel) -> Asked:
        """With its prompt as this model reads it; 400 when it and its answer have no room."""
        field = "messages" if self.is_chat else "prompt"
        refuse_far_too_long(field, self._characters(), served.context)
        prompt = self._tokens(served)
        room = None if served.context is None else served.context - len(prompt)
        if room is not None and room < 1:
            raise invalid(
                field, f"`{field}` has {len(prompt)} tokens, and prompt and answer have room for {served.context}"
            )
        wanted = self.max_tokens
        if wanted is not None and room is not None and wanted > room:
            raise invalid(
                self.limited_by,
                f"`{self.limited_by}` is {wanted}, the prompt has {len(prompt)} tokens, and both together have room "
                f"for {served.context}",
            )
        if wanted is None:
            wanted = room if self.is_chat else min(_COMPLETION_TOKENS, room or _COMPLETION_TOKENS)
        if wanted is None:
            raise invalid("max_tokens", "`max_tokens` is needed: the model does not say how long a text may be")
        if self.min_tokens > wanted:
            raise invalid("min_tokens", f"`min_tokens` is {self.min_tokens}, and the answer has at most {wanted}")
        return Asked(prompt, wanted, self.min_tokens, self.stop, self.sampling)

    def _characters(self) -> int:
        if self.is_chat:
            return sum(len(message["content"]) for message in self.prompt)  # type: ignore[index]
        return len(self.prompt)

    def _tokens(self, served: TextModel) -> list[int]:
        if self.is_chat:
            return _chat_tokens(served.tokenizer, self.prompt)
        if isinstance(self.prompt, str):
            return prompt_ids(served.tokenizer, self.prompt)
        size = served.model.get_input_embeddings().num_embeddings  # type: ignore[attr-defined]
        if any(not 0 <= token < size for token in self.prompt):  # type: ignore[operator]
            raise invalid("prompt", f"`prompt` has a token that the model does not know: it has {size}")
        return self.prompt  # type: ignore[return-value]


def _chat_tokens(tokenizer, messages) -> list[int]:
    from jinja2 import TemplateError

    if not tokenizer.chat_template:
        raise invalid("messages", "The model has no chat template: ask it by completions, with a `prompt`")
    try:
        return prompt_ids(tokenizer, messages)
    except (TemplateError, TypeError, ValueError, KeyError) as error:
        # A template may refuse what it was not made for: two messages of one role, or a role that it does not know.
        raise invalid("messages", f"The model's chat template does not take these messages: {error}") from error


def _prompt(value: object) -> str | list[int]:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        if len(value) == 1 and isinstance(value[0], str):
            return value[0]
        if all(isinstance(token, int) and not isinstance(token, bool) for token in value):
            return value
        if len(value) > 1 and all(isinstance(one, (str, list)) for one in value):
            raise invalid("prompt", "`prompt` may be one text, not several")
    raise invalid("prompt", "`prompt` must be a text, or a list of tokens")


def _messages(value: object) -> list[dict]:
    if not isinstance(value, list) or not value:
        raise invalid("messages", "`messages` must be a list with at least one message")
    return [_message(message, f"messages[{at}]") for at, message in enumerate(value)]


def _message(value: object, where: str) -> dict:
    if not isinstance(value, dict) or not isinstance(value.get("role"), str):
        raise invalid("messages", f"`{where}` must be an object with a `role` and a `content`")
    if value.get("tool_calls"):
        raise invalid("messages", f"`{where}.tool_calls` is not supported")
    content = value.get("content")
    if isinstance(content, list):
        content = "\n".join(_part(part, f"{where}.content") for part in content)
    if not isinstance(content, str):
        raise invalid("messages", f"`{where}.content` must be a text, or a list of parts of type text")
    # OpenAI's newer word for the same; templates know the older one.
    role = "system" if value["role"] == "developer" else value["role"]
    return {"role": role, "content": content}


def _part(part: object, where: str) -> str:
    if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
        raise invalid("messages", f"`{where}` may have parts of type text only")
    return part["text"]


def _stop(value: object) -> list[str]:
    strings = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(strings, list) or any(not isinstance(one, str) or one == "" for one in strings):
        raise invalid("stop", "`stop` must be a text or a list of texts, none of them empty")
    if len(strings) > _MAX_STOPS:
        raise invalid("stop", f"`stop` may have at most {_MAX_STOPS} texts")
    return strings
