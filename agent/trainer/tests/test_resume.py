"""Exact resume (DESIGN §5): a job that is killed, and later stopped, ends as one that never was, to the bit.

`npm test` takes most cells of the matrix once, at lines drawn anew each time; `pytest -m slow tests/test_resume.py`
takes each many times, and some in fresh interpreters killed from outside. ANNEAL_TEST_SEED repeats a draw.
"""

import functools
import json
import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from forked import Forked, train
from in_process import checkpoints, losses, run_here
from trainer_process import (
    TINY,
    Trainer,
    classification_config,
    embedding_config,
    grpo_config,
    regression_config,
    sft_config,
    weights,
)

from anneal_trainer.report import Reporter

EVERY_STEP = 1e-9  # a resume interval that is always over
SEED = os.environ.get("ANNEAL_TEST_SEED", str(time.time_ns()))
# Uses what the runner has seeded, so that a resumed call must be seeded as the first one was.
RANDOM = "import random\ndef reward(completions, **kwargs):\n    return [random.random() for _ in completions]\n"

SHAPES = {
    ("sft", "plain"): {},
    ("sft", "accumulation"): {"batch_size": 2, "global_batch_size": 8},
    ("sft", "epochs"): {"max_steps": None, "num_epochs": 2.5, "global_batch_size": 8},
    ("grpo", "plain"): {"kl_coef": 0},
    # A prompt this long leaves room for four of a step's eight completions in one pass.
    ("grpo", "accumulation"): {"kl_coef": 0, "max_prompt_length": 1200},
    # An epoch is four steps, and its last one may be where the job goes on.
    ("grpo", "kl"): {"max_steps": None, "num_epochs": 2, "global_batch_size": 16},
    # An epoch is two generations for three steps each.
    ("grpo", "buffer"): {},
    # BERT's own dropout draws numbers at every step.
    ("classification", "epochs"): {"max_steps": None, "num_epochs": 4, "batch_size": 2, "global_batch_size": 4},
    ("regression", "plain"): {},
    ("embedding", "accumulation"): {"batch_size": 2, "global_batch_size": 4},
}
CONFIGS = {
    "sft": sft_config,
    "classification": classification_config,
    "regression": regression_config,
    "embedding": embedding_config,
}
WEIGHTS = {"full": {}, "lora": {"lora_rank": 4, "lora_dropout": 0.1}}
CELLS = [(method, shape, part) for method, shape in SHAPES for part in WEIGHTS]
# Whatever goes wrong in a plain job goes wrong in the others of its method too.
MARKED = [pytest.param(cell, marks=pytest.mark.slow) if cell[1] == "plain" else cell for cell in CELLS]
ENDS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM}


def make(cell: tuple[str, str, str], folder: Path, **changes) -> dict:
    method, shape, part = cell
    folder.mkdir(parents=True)
    h = {"max_steps": 8, **SHAPES[(method, shape)], **WEIGHTS[part]}
    changes = {"resume_interval_seconds": EVERY_STEP, **changes}
    if method == "grpo":
        return grpo_config(folder, RANDOM, h=h, **changes)
    if part == "lora":
        changes = {"base_model": TINY, **changes}  # adapters are for language models
    return CONFIGS[method](folder, h=h, **changes)


@dataclass(frozen=True)
class Child:
    """What a forked process does: train, and send itself a signal just before it would write its line number `at`."""

    is_buffered: bool
    at: int = 0
    number: int = 0

    def __call__(self, fd: int, path: str) -> None:
        if self.is_buffered:
            buffer_generations()
        train(fd, path, functools.partial(Ending, self))


class Ending(Reporter):
    def __init__(self, child: Child, fd: int, quiet: bool):
        super().__init__(fd, quiet)
        self._child = child
        self._count = 0

    def _write(self, type: str, fields: dict[str, object]) -> None:
        self._count += 1
        if self._count == self._child.at:
            os.kill(os.getpid(), self._child.number)
        super()._write(type, fields)


def buffer_generations() -> None:
    """One generation for three optimizer steps, so that most saves fall inside its buffer."""
    from trl.trainer.grpo_config import GRPOConfig

    GRPOConfig.__init__ = functools.partialmethod(GRPOConfig.__init__, steps_per_generation=3)


@functools.cache
def whole_run(cell: tuple[str, str, str], folder: Path) -> list[dict]:
    return Forked(folder, make(cell, folder / "job"), Child(cell[1] == "buffer")).finish()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("whole")


def name(cell: tuple[str, str, str]) -> str:
    return "-".join(cell)


@pytest.mark.parametrize("draw", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 6))])
@pytest.mark.parametrize("cell", MARKED, ids=name)
def test_a_job_that_is_killed_and_later_stopped_ends_bit_equal(tmp_path, kept, cell, draw):
    whole = whole_run(cell, kept / name(cell))
    said = f"ANNEAL_TEST_SEED={SEED}"
    drawn = random.Random(f"{SEED} {cell} {draw}")
    last = whole[-1]["step"]
    # Killed before any line of an early step, stopped before any of a later one: never after the last resume point.
    kill = drawn.choice([at for at, line in enumerate(whole, 1) if 2 <= line.get("step", 0) <= last // 2])
    is_buffered = cell[1] == "buffer"
    killed = Forked(tmp_path, make(cell, tmp_path / "1"), Child(is_buffered, kill, signal.SIGKILL)).finish(-9)
    first = checkpoints(killed, "resume")[max(checkpoints(killed, "resume"))]
    lines_left = [line for line in whole if first["step"] < line.get("step", 0) < last - 1]
    stop = drawn.randrange(2, len(lines_left))
    config = make(cell, tmp_path / "2", resume_from=first["dir"])
    stopped = Forked(tmp_path / "2", config, Child(is_buffered, stop, signal.SIGTERM)).finish()
    second = checkpoints(stopped, "resume")[max(checkpoints(stopped, "resume"))]
    assert stopped[-1] == {"type": "stopped", "step": second["step"]}, said
    config = make(cell, tmp_path / "3", resume_from=second["dir"])
    resumed = Forked(tmp_path / "3", config, Child(is_buffered)).finish()
    assert_goes_on(whole, killed, 0, said)
    assert_goes_on(whole, stopped, first["step"], said)
    assert_goes_on(whole, resumed, second["step"], said)
    assert sorted(losses(resumed)) == list(range(second["step"] + 1, last + 1)), said
    assert_same_weights(whole, resumed, said)


def assert_goes_on(whole: list[dict], lines: list[dict], step: int, said: str) -> None:
    """Every step of these lines logged what it did in the whole run, from `step` on."""
    assert lines[0]["resumed_from_step"] == step and not [line for line in lines if line["type"] == "event"], said
    found, expected = losses(lines), losses(whole)
    assert min(found) == step + 1 and found == {at: expected[at] for at in found}, said


def assert_same_weights(whole: list[dict], resumed: list[dict], said: str) -> None:
    finals = [checkpoints(lines, "final")[whole[-1]["step"]] for lines in (whole, resumed)]
    assert len({weights(final["dir"]) for final in finals}) == 1, said
    assert len({weights(final.get("adapter_dir", final["dir"])) for final in finals}) == 1, said


@pytest.mark.slow
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell[1] == "accumulation"], ids=name)
def test_fresh_interpreters_ended_from_outside_end_bit_equal(tmp_path, cell, end):
    """Long enough that a signal at any moment falls inside the run; resume points go by the clock, as in real jobs."""
    drawn = random.Random(f"{SEED} {cell} {end}")

    def config(folder: str, **changes) -> dict:
        value = make(cell, tmp_path / folder, resume_interval_seconds=0.1, **changes)
        value["hyperparameters"]["max_steps"] = 120
        return value

    whole = Trainer(tmp_path, config("0"))
    assert whole.finish() == 0
    ended = Trainer(tmp_path, config("1"))
    for _ in range(drawn.randrange(2, 20)):
        ended.until("checkpoint")
    time.sleep(drawn.random() * 0.1)
    os.kill(ended.process.pid, ENDS[end])
    assert ended.finish() == (-9 if end == "SIGKILL" else 0)
    saved = ended.of("checkpoint")[-1]
    resumed = Trainer(tmp_path, config("2", resume_from=saved["dir"]))
    assert resumed.finish() == 0
    said = f"ANNEAL_TEST_SEED={SEED}"
    assert saved["kind"] == "resume" and saved["step"] < 120, said
    assert_goes_on(whole.lines, ended.lines, 0, said)
    assert_goes_on(whole.lines, resumed.lines, saved["step"], said)
    assert_same_weights(whole.lines, resumed.lines, said)


def test_a_resume_under_other_conditions_says_so(tmp_path):
    first = run_here(tmp_path, make(("sft", "plain", "lora"), tmp_path / "1"))
    folder = checkpoints(first, "resume")[3]["dir"]
    path = Path(folder) / "anneal_conditions.json"
    saved = json.loads(path.read_text())
    path.write_text(json.dumps({**saved, "torch": "2.0.0", "torch_threads": 8}))
    second = run_here(tmp_path, make(("sft", "plain", "lora"), tmp_path / "2", resume_from=folder))
    [event] = [line for line in second if line["type"] == "event"]
    assert event == {
        "type": "event",
        "event_type": "resume_conditions_changed",
        "metadata": {
            "step": 3,
            "differences": [
                {"name": "torch", "saved": "2.0.0", "now": saved["torch"]},
                {"name": "torch_threads", "saved": 8, "now": 1},
            ],
        },
    }
