"""What the training loop tells the agent, and when it saves: one callback for all methods.

Resume checkpoints go by the clock and by SIGTERM. At an epoch's end the epoch's model is written before the resume
checkpoint, so that no resume can step over an epoch whose model was never saved. With `save_steps` the same models are
written every so many steps instead.
"""

from __future__ import annotations

import math
import os
import time

from transformers import TrainerCallback

from . import conditions, eval_metrics
from .checkpoints import ModelWriter
from .failures import TrainerFailure
from .report import Reporter
from .stop import StopSwitch
from .testing import Tests

SAMPLE_BATCHES = 20  # how many batches of a job show some of their completions
SAMPLE_ROWS = 4
MAX_SAMPLE_CHARS = 4000  # people read them; the protocol has room for more


class ReportCallback(TrainerCallback):
    """Reports every step and decides what is saved."""

    def __init__(
        self,
        report: Reporter,
        stop: StopSwitch,
        writer: ModelWriter,
        resume_interval_seconds: float,
        epochs: bool,
        save_steps: int | None,
        tests: Tests | None,
        manifest: dict[str, object],
        device: str,
        resume_from: str | None,
        metrics_asked: list[str] | None,
    ):
        self._report = report
        self._stop = stop
        self._writer = writer
        self._interval = resume_interval_seconds
        self._epochs = epochs and save_steps is None
        self._save_steps = save_steps
        self._tests = tests
        self._manifest = manifest
        self._device = device
        self._resume_from = resume_from
        self._metrics_asked = metrics_asked
        self._conditions = conditions.conditions(manifest, device)
        self._saved_at = 0.0
        self.trainer = None  # set once the trainer exists

    def on_train_begin(self, args, state, control, **kwargs):
        self._saved_at = time.monotonic()
        self._stop.training_begins(state.global_step)
        self._report.send(
            "started",
            total_steps=state.max_steps,
            resumed_from_step=state.global_step,
            world_size=self._manifest["world_size"],
            device=self._device,
            versions=self._manifest["versions"],
        )
        if self._resume_from is not None:
            changed = conditions.differences(self._resume_from, self._conditions)
            if changed:
                self._report.send(
                    "event",
                    event_type="resume_conditions_changed",
                    metadata={"step": state.global_step, "differences": changed},
                )

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step >= state.max_steps:
            return
        if self._save_steps is not None and state.global_step % self._save_steps == 0:
            self.save_model("epoch", f"step-{state.global_step}")
        if not _at_epoch_end(state):
            self._decide(control)

    def on_epoch_end(self, args, state, control, **kwargs):
        if state.global_step >= state.max_steps or not _at_epoch_end(state):
            return
        if self._epochs:
            self.save_model("epoch", f"epoch-{round(state.epoch)}")
        self._decide(control)

    def on_save(self, args, state, control, **kwargs):
        folder = os.path.join(args.output_dir, f"checkpoint-{state.global_step}")
        pickled = os.path.join(folder, "training_args.bin")
        if state.is_world_process_zero:
            if os.path.exists(pickled):
                os.unlink(pickled)
            conditions.write(folder, self._conditions)
        self.trainer.accelerator.wait_for_everyone()
        self._checkpoint("resume", state.global_step, state.epoch, {"dir": folder})
        self._saved_at = time.monotonic()

    def on_log(self, args, state, control, logs=None, **kwargs):
        values = logs or {}
        if "train_runtime" in values:
            self._report.metrics(state.global_step, "system", {k: v for k, v in values.items() if k != "epoch"})
            return
        if "eval_loss" in values:
            told = eval_metrics.told(values, self._metrics_asked, float(state.epoch or 0.0))
            self._report.metrics(state.global_step, "eval", told)
            return
        for key in ("loss", "grad_norm"):
            value = values.get(key)
            if isinstance(value, float) and not math.isfinite(value):
                raise TrainerFailure(
                    "nan_loss",
                    f"{key} became {value} at step {state.global_step}: lower learning_rate, or look for broken rows",
                )
        self._report.metrics(state.global_step, "train", values)
        self._report.send(
            "progress", step=state.global_step, total_steps=state.max_steps, epoch=float(state.epoch or 0.0)
        )

    def show_samples(self, step: int, total_steps: int, rows: list[tuple[str, str, float]]) -> None:
        """Some completions of a batch, in about SAMPLE_BATCHES batches of the job."""
        if step % max(1, total_steps // SAMPLE_BATCHES) == 0 or step == 1:
            shown = [
                {
                    "prompt": prompt[:MAX_SAMPLE_CHARS],
                    "completion": completion[:MAX_SAMPLE_CHARS],
                    "reward": reward if math.isfinite(reward) else None,
                }
                for prompt, completion, reward in rows[:SAMPLE_ROWS]
            ]
            self._report.send("samples", step=step, rows=shown)

    def save_model(self, kind: str, name: str) -> None:
        """Write the model and report it; only the first rank writes."""
        state = self.trainer.state
        weights = self._writer.gather(self.trainer)
        if state.is_world_process_zero:
            self._checkpoint(kind, state.global_step, state.epoch, self._writer.write(self.trainer, name, weights))
        self.trainer.accelerator.wait_for_everyone()

    def save_best(self, best) -> None:
        """Report the best weights as the final checkpoint, with the step that they are of."""
        if self.trainer.state.is_world_process_zero:
            self._checkpoint("final", best.best_step, best.best_epoch, best.promote("final"))
        self.trainer.accelerator.wait_for_everyone()

    def _checkpoint(self, kind: str, step: int, epoch: float | None, folders: dict[str, str]) -> None:
        if self._tests is not None and kind != "resume":
            self._tests.keep(folders["dir"], step, float(epoch or 0.0))
        self._report.send(
            "checkpoint",
            kind=kind,
            step=step,
            epoch=float(epoch or 0.0),
            **folders,
            **self._manifest,
        )

    def _decide(self, control) -> None:
        if control.should_training_stop:
            return  # It has stopped early, and what would go on from here would train on.
        stop, due = self._agree(self._stop.requested, time.monotonic() - self._saved_at >= self._interval)
        control.should_training_stop = control.should_training_stop or stop
        control.should_save = stop or due

    def _agree(self, stop: bool, due: bool) -> tuple[bool, bool]:
        """The first rank's decision, for all: a rank that saved alone would wait for the others for ever."""
        accelerator = self.trainer.accelerator
        if accelerator.num_processes == 1:
            return stop, due
        import torch

        flags = torch.tensor([stop, due], dtype=torch.int32, device=accelerator.device)
        torch.distributed.broadcast(flags, src=0)
        return bool(flags[0]), bool(flags[1])


def _at_epoch_end(state) -> bool:
    # The loop sets `epoch + (step + 1) / steps`, which is whole exactly when the division is 1.
    return float(state.epoch).is_integer()
