"""When a metric has stopped improving: the pure rule of early stopping, and all of its state."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass


@dataclass
class Plateau:
    """Compares values as they come: `patience` of them in a row without a gain of more than `min_delta` end it."""

    patience: int
    min_delta: float
    higher_is_better: bool
    best: float | None = None
    best_step: int | None = None
    best_epoch: float | None = None
    stale: int = 0

    def improves(self, value: float, step: int, epoch: float) -> bool:
        """Take the value of a step; true when it is the best so far. A value that is no number is no improvement."""
        if math.isfinite(value) and (self.best is None or self._gain(value) > self.min_delta):
            self.best, self.best_step, self.best_epoch, self.stale = value, step, epoch, 0
            return True
        self.stale += 1
        return False

    @property
    def is_over(self) -> bool:
        return self.stale >= self.patience

    def state(self) -> dict[str, object]:
        """What a resumed job needs to go on comparing."""
        return {name: value for name, value in asdict(self).items() if name in _STATE}

    def restore(self, state: dict[str, object]) -> None:
        """Go on from `state`."""
        for name in _STATE:
            setattr(self, name, state[name])

    def _gain(self, value: float) -> float:
        return value - self.best if self.higher_is_better else self.best - value


_STATE = ("best", "best_step", "best_epoch", "stale")
