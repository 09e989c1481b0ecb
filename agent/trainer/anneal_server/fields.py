"""Fields of a request's body: their types and ranges, and those that ask for what no model here does."""

from __future__ import annotations

import math

from .errors import invalid

Body = dict[str, object]

# Hardly any token is longer, and no text is made of the longest alone.
_CHARACTERS_A_TOKEN = 64

# Each with the values that ask for nothing; any other value is refused by name.
_NEUTRAL: dict[str, tuple[object, ...]] = {
    "n": (1,),
    "best_of": (1,),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "prompt_logprobs": (),
    "response_format": ({"type": "text"},),
    "suffix": ("",),
    "echo": (False,),
    "modalities": (["text"],),
    "audio": (),
    "web_search_options": (),
    "use_beam_search": (False,),
    "length_penalty": (1,),
    "stop_token_ids": ([],),
    "ignore_eos": (False,),
    "chat_template": (),
    "chat_template_kwargs": ({},),
    "continue_final_message": (False,),
    "include_stop_str_in_output": (False,),
    "skip_special_tokens": (True,),
    "bad_words": ([],),
    "allowed_token_ids": (),
    "truncate_prompt_tokens": (),
    "structured_outputs": (),
    "guided_json": (),
    "guided_regex": (),
    "guided_choice": (),
    "guided_grammar": (),
}


def refuse_unknown_meaning(body: Body) -> None:
    """400 naming a field that asks for something which no model here does."""
    for name, neutral in _NEUTRAL.items():
        value = body.get(name)
        if value is not None and not any(_is(value, one) for one in neutral):
            told = f"; only {' or '.join(repr(one) for one in neutral)} is" if neutral else ""
            raise invalid(name, f"`{name}` = {value!r} is not supported{told}"[:500])


def _is(value: object, other: object) -> bool:
    return value == other and isinstance(value, bool) == isinstance(other, bool)


def number(body: Body, name: str, low: float, high: float = math.inf, default: float | None = None) -> float | None:
    """A finite number of a range, both ends included."""
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise invalid(name, f"`{name}` must be a number")
    if not low <= value <= high:
        upper = "" if math.isinf(high) else f" and at most {high:g}"
        raise invalid(name, f"`{name}` must be at least {low:g}{upper}")
    return float(value)


def integer(body: Body, name: str, low: int, high: int | None = None) -> int | None:
    """A whole number of a range, both ends included."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid(name, f"`{name}` must be a whole number")
    if value < low or (high is not None and value > high):
        upper = "" if high is None else f" and at most {high}"
        raise invalid(name, f"`{name}` must be at least {low}{upper}")
    return value


def boolean(body: Body, name: str) -> bool:
    """False when it is absent."""
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise invalid(name, f"`{name}` must be true or false")
    return bool(value)


def text(body: Body, name: str) -> str:
    """A text that must be there."""
    value = body.get(name)
    if not isinstance(value, str):
        raise invalid(name, f"`{name}` must be a text")
    return value


def refuse_far_too_long(name: str, characters: int, limit: int | None) -> None:
    """Of texts that cannot fit, before their tokens are counted: that would hold every other request up."""
    if limit is not None and characters > limit * _CHARACTERS_A_TOKEN:
        raise invalid(
            name, f"`{name}` has {characters} characters, which is more than the {limit} tokens of the model hold"
        )
