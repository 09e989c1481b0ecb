"""How the next token is chosen: what a request says of it, as settings of transformers' generation."""

from __future__ import annotations

import os
from dataclasses import dataclass

from .fields import Body, integer, number

# Below it the most likely token is meant.
_COLD = 1e-5
_SEED_BITS = 63


@dataclass(frozen=True)
class Sampling:
    """None: as the model's own `generation_config.json` has it, and where it says nothing as in OpenAI's API."""

    temperature: float | None
    top_p: float | None
    top_k: int | None
    min_p: float | None
    repetition_penalty: float | None
    frequency_penalty: float
    presence_penalty: float
    seed: int | None

    @classmethod
    def of(cls, body: Body) -> Sampling:
        """Those of a request."""
        return cls(
            temperature=number(body, "temperature", 0, 2),
            top_p=number(body, "top_p", 0, 1),
            # 0 and -1: all tokens, as other servers have it.
            top_k=integer(body, "top_k", -1),
            min_p=number(body, "min_p", 0, 1),
            repetition_penalty=number(body, "repetition_penalty", 0.01, 10),
            frequency_penalty=number(body, "frequency_penalty", -2, 2, 0.0) or 0.0,
            presence_penalty=number(body, "presence_penalty", -2, 2, 0.0) or 0.0,
            seed=integer(body, "seed", -(2**_SEED_BITS), 2**_SEED_BITS - 1),
        )

    def settings(self, own) -> dict[str, object]:
        """Arguments of `generate`; `own` is the model's generation configuration."""
        given = {} if self.repetition_penalty is None else {"repetition_penalty": self.repetition_penalty}
        temperature = _first(self.temperature, own.temperature, 1.0)
        top_p = _first(self.top_p, own.top_p, 1.0)
        if temperature < _COLD or top_p == 0:
            return {"do_sample": False, **given}
        return {
            "do_sample": True,
            "temperature": temperature,
            "top_p": top_p,
            "top_k": max(0, _first(self.top_k, own.top_k, 0)),
            "min_p": _first(self.min_p, own.min_p, 0.0) or None,
            **given,
        }

    def processors(self, prompt_tokens: int) -> list:
        """What changes the scores beyond what transformers has settings for."""
        if self.frequency_penalty == 0 and self.presence_penalty == 0:
            return []
        return [CountPenalty(prompt_tokens, self.frequency_penalty, self.presence_penalty)]

    def generator(self, device):
        """A request's own random numbers."""
        import torch

        seed = int.from_bytes(os.urandom(_SEED_BITS // 8), "big") if self.seed is None else self.seed
        return torch.Generator(device).manual_seed(seed)


@dataclass(frozen=True)
class CountPenalty:
    """OpenAI's penalties on the tokens of the answer so far: for each time that one came, and for coming at all."""

    prompt_tokens: int
    frequency: float
    presence: float

    def __call__(self, input_ids, scores):
        import torch

        counts = torch.bincount(input_ids[0, self.prompt_tokens :], minlength=scores.shape[-1])
        return scores - self.frequency * counts - self.presence * (counts > 0)


def _first(*values):
    return next(value for value in values if value is not None)
