"""SIGTERM: before training, end at once; during training, ask for a checkpoint at the next step boundary."""

from __future__ import annotations

import os
import signal
import types

from .report import Reporter


class StopSwitch:
    """Set by SIGTERM, read by the training callback at each step boundary."""

    def __init__(self, report: Reporter):
        self.requested = False
        self._training = False
        self._step = 0
        self._report = report
        signal.signal(signal.SIGTERM, self._on_signal)

    def training_begins(self, step: int) -> None:
        """From here on a stop waits for a step boundary; `step` is where training resumes."""
        self._training = True
        self._step = step

    def _on_signal(self, _number: int, _frame: types.FrameType | None) -> None:
        self.requested = True
        # While the model loads there is nothing to save, and the agent's grace is short.
        if not self._training and self._report.try_send("stopped", step=self._step):
            os._exit(0)
