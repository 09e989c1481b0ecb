"""Evaluations while training, early stopping, and the best weights, which survive a resume inside its checkpoint.

Comes before the reporting callback: what it keeps must be in a resume checkpoint's folder before that is announced.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import time

from transformers import TrainerCallback

from .checkpoints import ModelWriter
from .config import EarlyStop, Evaluation
from .plateau import Plateau
from .report import Reporter

_STATE_FILE = "anneal_best.json"
# Two folders deep: transformers takes a checkpoint's folders that hold an adapter for the adapter to go on with.
_BEST = os.path.join("anneal_best", "weights")

_SECONDS_BETWEEN_SIGNS = 5  # half of the shortest hang_timeout_seconds


class EvaluationCallback(TrainerCallback):
    """Says when to evaluate and when to stop. `plan` or `early_stop` None: without that part."""

    def __init__(
        self,
        report: Reporter,
        writer: ModelWriter,
        plan: Evaluation | None,
        early_stop: EarlyStop | None,
        resume_from: str | None,
    ):
        self._report = report
        self._writer = writer
        self._plan = plan
        self._early_stop = early_stop
        self._resume_from = resume_from
        self._plateau = early_stop and Plateau(early_stop.patience, early_stop.min_delta, early_stop.metric == "reward")
        self._rewards: list[float] = []
        self._kept = os.path.join(writer.output_dir, _BEST)
        self._told_at = time.monotonic()
        self.stopped_early = False
        self.trainer = None  # set once the trainer exists

    @property
    def best_step(self) -> int | None:
        """The step whose weights are to be the final ones; None: the last one's."""
        return self._plateau and self._plateau.best_step

    @property
    def best_epoch(self) -> float | None:
        """Where in the epochs that step was."""
        return self._plateau and self._plateau.best_epoch

    def on_train_begin(self, args, state, control, **kwargs):
        if self._plateau is None or self._resume_from is None:
            return
        with open(os.path.join(self._resume_from, _STATE_FILE), encoding="utf-8") as file:
            saved = json.load(file)
        self._rewards = saved["rewards"]
        self._plateau.restore(saved["plateau"])
        if self._plateau.best_step is not None and state.is_world_process_zero:
            shutil.copytree(os.path.join(self._resume_from, _BEST), self._kept, dirs_exist_ok=True)

    def on_step_end(self, args, state, control, **kwargs):
        if self._plan is not None:
            every, epochs = self._plan.every_steps, self._plan.every_epochs or 1
            due = state.epoch % epochs == 0 if every is None else state.global_step % every == 0
            control.should_evaluate = due or state.global_step >= state.max_steps

    def on_log(self, args, state, control, logs=None, **kwargs):
        if self._early_stop is None or self._early_stop.metric != "reward" or "reward" not in (logs or {}):
            return
        reward = logs["reward"]
        if isinstance(reward, float) and math.isfinite(reward):
            self._rewards.append(reward)
        if state.global_step % self._early_stop.window == 0 and self._rewards:
            mean = math.fsum(self._rewards) / len(self._rewards)
            self._rewards = []
            self._report.metrics(state.global_step, "eval", {"reward": mean})
            self._compare(mean, state, control)

    def on_prediction_step(self, args, state, control, **kwargs):
        # The agent takes a trainer that says nothing for long for one that hangs.
        if time.monotonic() - self._told_at >= _SECONDS_BETWEEN_SIGNS:
            self._told_at = time.monotonic()
            epoch = float(state.epoch or 0.0)
            self._report.send("progress", step=state.global_step, total_steps=state.max_steps, epoch=epoch)

    def on_evaluate(self, args, state, control, metrics=None, **kwargs):
        # What the base is worth is told, and is nothing to compare with: a job has to train.
        if self._plateau is not None and state.global_step > 0:
            self._compare(metrics["eval_loss"], state, control)

    def on_save(self, args, state, control, **kwargs):
        if self._plateau is None or not state.is_world_process_zero:
            return
        folder = os.path.join(args.output_dir, f"checkpoint-{state.global_step}")
        with open(os.path.join(folder, _STATE_FILE), "w", encoding="utf-8") as file:
            json.dump({"plateau": self._plateau.state(), "rewards": self._rewards}, file)
        if self._plateau.best_step is not None:
            # Links, not copies: the kept files are replaced, never changed.
            shutil.copytree(self._kept, os.path.join(folder, _BEST), copy_function=os.link)

    def promote(self, name: str) -> dict[str, str]:
        """On the first rank: make a checkpoint's folders of the best weights, and say so."""
        plateau, state = self._plateau, self.trainer.state
        told = f"the final weights are those of step {plateau.best_step}, the best by {self._early_stop.metric}"
        if self.stopped_early:
            self._report.notice(
                f"Stopped early at step {state.global_step} of {state.max_steps}: no improvement of more than "
                f"{plateau.min_delta:g} in {plateau.patience} comparisons; {told} ({plateau.best:.6g})"
            )
        elif plateau.best_step != state.global_step:
            self._report.notice(f"Training is done; {told} ({plateau.best:.6g})")
        return self._writer.complete(self.trainer, self._kept, name)

    def _compare(self, value: float, state, control) -> None:
        if self._plateau.improves(value, state.global_step, float(state.epoch or 0.0)):
            self._keep(state)
        if self._plateau.is_over:
            self.stopped_early = state.global_step < state.max_steps
            control.should_training_stop = True
            # A job that was to go on from here would train on.
            control.should_save = False

    def _keep(self, state) -> None:
        weights = self._writer.gather(self.trainer)
        if state.is_world_process_zero:
            self._writer.keep(self.trainer, self._kept, weights)
        self.trainer.accelerator.wait_for_everyone()
