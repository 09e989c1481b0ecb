"""A job's reward functions as TRL calls them, and the rule for samples without a score: masked, never 0.

A sample that one function masked is masked whole, because a sum without that function's part would score it 0 there.
"""

from __future__ import annotations

import math
from collections import Counter

from .config import RewardFunction, UserCode
from .conversation import expected_of, plain_text
from .data import GrpoRow
from .failures import TrainerFailure
from .report import Reporter
from .reward_process import Mask, RewardProcess

MAX_MASKED_IN_A_ROW = 3
ROW_COLUMN = "anneal_row"  # what TRL sees of a row beside its prompt: its index


class Rewards:
    """All reward functions of one job."""

    def __init__(
        self, functions: list[RewardFunction], rows: list[GrpoRow], limits: UserCode, seed: int, report: Reporter
    ):
        self._processes = [RewardProcess(function, limits) for function in functions]
        self._rows = rows
        self._seed = seed
        self._report = report
        self._calls_at: Counter[tuple[int, int]] = Counter()
        self._last_mask: Mask | None = None
        self.weights = [function.weight for function in functions]
        self.batches_scored = 0
        self.batches_masked_in_a_row = 0

    def start(self) -> None:
        """Spawn the processes; they load while the trainer's own imports run."""
        for process in self._processes:
            process.start()

    def callables(self) -> list:
        """One callable a function, named so that TRL's metrics tell them apart; `user_code` if a file does not load."""
        names = [process.wait_loaded() for process in self._processes]
        if len(set(names)) < len(names):
            given = [process.function.name for process in self._processes]
            names = given if len(set(given)) == len(given) else [f"{name}_{index}" for index, name in enumerate(given)]
        return [self._callable(index, name) for index, name in enumerate(names)]

    def count_batch(self, masked: int, total: int) -> None:
        """Note one scored batch; `reward_failure` when nothing was scored three times in a row."""
        if masked < total:
            self.batches_scored += 1
            self.batches_masked_in_a_row = 0
            return
        self.batches_masked_in_a_row += 1
        if self.batches_masked_in_a_row >= MAX_MASKED_IN_A_ROW:
            raise TrainerFailure(
                "reward_failure",
                f"The reward functions gave no score in {MAX_MASKED_IN_A_ROW} batches in a row. {self._last_words()}",
            )

    def check_end(self) -> None:
        """`reward_failure` when the job ends and no batch was ever scored."""
        if self.batches_scored == 0:
            raise TrainerFailure("reward_failure", f"The job ended and no batch had a score. {self._last_words()}")

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.close()

    def _last_words(self) -> str:
        if self._last_mask is None:
            return ""
        return f"The last reason was {self._last_mask.reason}: {self._last_mask.detail}"

    def _callable(self, index: int, name: str):
        def reward(prompts, completions, completion_ids, trainer_state, anneal_row, **_unused) -> list[float]:
            step = trainer_state.global_step + 1
            call = self._calls_at[(index, step)]
            self._calls_at = Counter({key: count for key, count in self._calls_at.items() if key[1] == step})
            self._calls_at[(index, step)] += 1
            rows = [self._rows[row].columns for row in anneal_row]
            process, seed = self._processes[index], f"{self._seed}:{step}:{call}"
            if process.function.format == "test":
                scores = process.call_test(seed, _samples(prompts, completions, rows))
            else:
                arguments = _arguments(prompts, completions, completion_ids, rows)
                scores = process.call(seed, arguments, rows, len(completions))
            for mask in scores.masks:
                self._last_mask = mask
                self._report.send(
                    "event",
                    event_type="sample_masked",
                    metadata={
                        "step": step,
                        "function": process.function.name,
                        "count": mask.count,
                        "reason": mask.reason,
                        "detail": mask.detail,
                    },
                )
            return [math.nan if value is None else value for value in scores.values]

        reward.__name__ = name
        return reward


def _samples(prompts: list, completions: list, rows: list[dict]) -> list[tuple[str, str, str]]:
    """What a testing function is called with; `Grpo.read` has seen to it that every row has an expected output."""
    return [
        (plain_text(prompt), expected_of(row) or "", plain_text(completion))
        for prompt, completion, row in zip(prompts, completions, rows, strict=True)
    ]


def _arguments(prompts: list, completions: list, completion_ids: list, rows: list[dict]) -> dict[str, object]:
    """The documented keywords: the columns aligned with the completions, `answer` also where the rows say `label`."""
    names = sorted({name for row in rows for name in row})
    columns: dict[str, object] = {name: [row.get(name) for row in rows] for name in names}
    if "label" in columns and "answer" not in columns:
        columns["answer"] = columns["label"]
    return {**columns, "prompts": prompts, "completions": completions, "completion_ids": completion_ids}
