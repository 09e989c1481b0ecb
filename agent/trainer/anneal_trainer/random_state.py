"""An evaluation draws nothing that training would have drawn: with one or without, the losses are the same."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept_random_state() -> Iterator[None]:
    """Whatever is drawn inside, every generator that training draws from is afterwards where it was before."""
    import numpy
    import torch

    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    drawn, numpy_drawn = random.getstate(), numpy.random.get_state()
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            random.setstate(drawn)
            numpy.random.set_state(numpy_drawn)


class QuietEvaluation:
    """Before a trainer of transformers: its evaluations keep the random state."""

    def evaluate(self, *args, **kwargs):
        with kept_random_state():
            return super().evaluate(*args, **kwargs)  # type: ignore[misc]
