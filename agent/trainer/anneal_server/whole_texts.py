"""Classification, regression and embedding: requests that are answered in one turn, or in one for each batch."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from anneal_trainer.row_method import readable

from .errors import invalid
from .fields import Body, integer, refuse_far_too_long, refuse_unknown_meaning, text
from .text_answers import usage

_TEXTS_A_TURN = 16
_MAX_TEXTS = 2048
_FORMATS = ("float", "base64")


@dataclass(frozen=True)
class SequenceModel:
    """A model with a head that reads a whole text. `labels`: of its outputs; None for regression."""

    model: object
    tokenizer: object
    limit: int
    labels: list[str] | None
    is_one_of: bool


@dataclass
class Reading:
    """One text through a head."""

    served: SequenceModel
    asked: str
    is_done: bool = False

    @classmethod
    def of(cls, body: Body, served: SequenceModel) -> Reading:
        """Read a body; on the thread that computes, as it counts tokens."""
        refuse_unknown_meaning(body)
        asked = readable(text(body, "input"))
        _check_length("input", served.tokenizer, asked, served.limit)
        return cls(served, asked)

    def turn(self) -> dict[str, object]:
        """The answer."""
        import torch

        self.is_done = True
        served = self.served
        tokens = served.tokenizer(self.asked, return_tensors="pt").to(served.model.device)  # type: ignore[operator,attr-defined]
        with torch.inference_mode():
            logits = served.model(**tokens).logits[0].float()  # type: ignore[operator]
        counts = usage(tokens["input_ids"].shape[1])
        if served.labels is None:
            return {"data": [{"index": 0, "value": logits[0].item()}], "usage": counts}
        shares = logits.softmax(-1) if served.is_one_of else logits.sigmoid()
        named = {
            name: dict(zip(served.labels, values.tolist(), strict=True))
            for name, values in (("logits", logits), ("probs", shares))
        }
        return {"data": [{"index": 0, **named}], "usage": counts}


@dataclass(frozen=True)
class EmbeddingModel:
    """A sentence-transformers model."""

    encoder: object


@dataclass
class Embedding:
    """The vectors of some texts, a batch a turn."""

    served: EmbeddingModel
    texts: list[str]
    is_base64: bool
    tokens: int
    data: list[dict[str, object]] = field(default_factory=list)

    @classmethod
    def of(cls, body: Body, served: EmbeddingModel) -> Embedding:
        """Read a body; on the thread that computes, as it counts tokens."""
        refuse_unknown_meaning(body)
        encoder = served.encoder
        form = body.get("encoding_format")
        if form is not None and form not in _FORMATS:
            raise invalid("encoding_format", f"`encoding_format` must be {' or '.join(_FORMATS)}")
        own = encoder.get_embedding_dimension()  # type: ignore[attr-defined]
        wanted = integer(body, "dimensions", 1)
        if wanted is not None and wanted != own:
            raise invalid("dimensions", f"`dimensions` is {wanted}: the model's vectors have {own}")
        texts = list(map(readable, _texts(body.get("input"))))
        limit, tokenizer = encoder.max_seq_length, encoder.tokenizer  # type: ignore[attr-defined]
        tokens = sum(_check_length("input", tokenizer, one, limit) for one in texts)
        return cls(served, texts, form == "base64", tokens)

    @property
    def is_done(self) -> bool:
        """Whether every text has its vector."""
        return len(self.data) == len(self.texts)

    def turn(self) -> dict[str, object] | None:
        """The answer, with the last batch."""
        batch = self.texts[len(self.data) : len(self.data) + _TEXTS_A_TURN]
        vectors = self.served.encoder.encode(  # type: ignore[attr-defined]
            batch, batch_size=_TEXTS_A_TURN, convert_to_tensor=True, show_progress_bar=False
        )
        for vector in vectors.float().cpu().numpy():
            value = base64.b64encode(vector.astype("<f4").tobytes()).decode() if self.is_base64 else vector.tolist()
            self.data.append({"object": "embedding", "index": len(self.data), "embedding": value})
        if not self.is_done:
            return None
        counts = {"prompt_tokens": self.tokens, "total_tokens": self.tokens}
        return {"object": "list", "data": self.data, "usage": counts}


def _texts(value: object) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or any(not isinstance(one, str) for one in texts):
        raise invalid("input", "`input` must be a text or a list of texts")
    if len(texts) > _MAX_TEXTS:
        raise invalid("input", f"`input` may have at most {_MAX_TEXTS} texts, and has {len(texts)}")
    return texts


def _check_length(field: str, tokenizer, asked: str, limit: int | None) -> int:
    refuse_far_too_long(field, len(asked), limit)
    count = len(tokenizer(asked, verbose=False)["input_ids"])
    if limit is not None and count > limit:
        raise invalid(field, f"`{field}` has a text of {count} tokens, and the model reads at most {limit}")
    return count
