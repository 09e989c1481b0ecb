"""One answer, a token a turn, each with its own cache.

What comes before the first step is transformers' own: the configuration, the processors of scores and the cache are
those that `model.generate` would go on with for this prompt alone, and so is each step.
"""

from __future__ import annotations

from dataclasses import dataclass

from .answer_text import AnswerText
from .sampling import Sampling


@dataclass(frozen=True)
class TextModel:
    """A language model that is ready. `context`: how many tokens prompt and answer may have; None: any number."""

    model: object
    tokenizer: object
    context: int | None


@dataclass(frozen=True)
class Asked:
    """A request that can be answered."""

    prompt: list[int]
    max_tokens: int
    min_tokens: int
    stop: list[str]
    sampling: Sampling


@dataclass(frozen=True)
class Piece:
    """What a turn adds to the answer; the last has why it ends: `stop` or `length`."""

    text: str
    finish_reason: str | None


class Generation:
    """The work of one request."""

    def __init__(self, served: TextModel, asked: Asked):
        self._model = served.model
        self._asked = asked
        self._text = AnswerText(served.tokenizer, asked.prompt, asked.stop)
        self._ends = _ends(served)
        self._steps: _Steps | None = None
        self.tokens = 0
        self.is_done = False

    def turn(self) -> Piece:
        """The next token."""
        import torch

        with torch.inference_mode():
            if self._steps is None:
                self._steps = _Steps(self._model, self._asked, self._ends)
            token = self._steps.next()
        self.tokens += 1
        if token in self._ends:
            return self._end(self._text.rest(), "stop")
        text = self._text.add(token)
        if self._text.is_stopped:
            return self._end(text, "stop")
        if self.tokens < self._asked.max_tokens:
            return Piece(text, None)
        text += self._text.rest()
        return self._end(text, "stop" if self._text.is_stopped else "length")

    def _end(self, text: str, reason: str) -> Piece:
        self.is_done = True
        self._steps = None
        return Piece(text, reason)


class _Steps:
    """transformers' loop of `generate`, step by step."""

    def __init__(self, model, asked: Asked, ends: list[int]):
        import torch

        self._model = model
        self._is_first = True
        self._generator = asked.sampling.generator(model.device)
        model.generate(
            torch.tensor([asked.prompt], device=model.device),
            max_new_tokens=asked.max_tokens,
            min_new_tokens=asked.min_tokens or None,
            num_beams=1,
            num_return_sequences=1,
            eos_token_id=ends or None,
            use_cache=True,
            cache_implementation="dynamic",
            logits_processor=asked.sampling.processors(len(asked.prompt)),
            custom_generate=self._take,
            **asked.sampling.settings(model.generation_config),
        )

    def _take(self, _model, input_ids, logits_processor, stopping_criteria, generation_config, **inputs):
        """Called by `generate` instead of its loop, with all that is prepared for that."""
        self._ids, self._process, self._config, self._inputs = input_ids, logits_processor, generation_config, inputs
        return input_ids

    def next(self) -> int:
        """The next token."""
        import torch

        model = self._model
        if self._is_first:
            outputs = model._prefill(self._ids, self._config, self._inputs)
            self._is_first = False
        else:
            prepared = model.prepare_inputs_for_generation(self._ids, next_sequence_length=1, **self._inputs)
            outputs = model(**prepared, return_dict=True)
        self._inputs = model._update_model_kwargs_for_generation(outputs, self._inputs)
        scores = self._process(self._ids, outputs.logits[:, -1].to(copy=True, dtype=torch.float32))
        if self._config.do_sample:
            token = torch.multinomial(scores.softmax(-1), num_samples=1, generator=self._generator)
        else:
            token = scores.argmax(-1, keepdim=True)
        self._ids = torch.cat([self._ids, token], dim=-1)
        return int(token)


def _ends(served: TextModel) -> list[int]:
    """The tokens that end an answer: what the model says, else what its tokenizer does."""
    own = served.model.generation_config.eos_token_id  # type: ignore[attr-defined]
    if own is None:
        own = served.tokenizer.eos_token_id  # type: ignore[attr-defined]
    return own if isinstance(own, list) else [] if own is None else [own]
