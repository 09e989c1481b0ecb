"""Evaluation, early stopping and the best weights: the rule, and real jobs that stop early, resumed on the way."""

import json
import math

import pytest
from in_process import checkpoints, losses, run_here
from trainer_process import grpo_config, sft_config, weights

from anneal_trainer.data import hold_back
from anneal_trainer.evaluation import EvaluationCallback
from anneal_trainer.failures import TrainerFailure
from anneal_trainer.plateau import Plateau

EVERY_STEP = 1e-9
NEVER = 1000  # no value improves by so much, so that the first one stays the best
RANDOM = "import random\ndef reward(completions, **kwargs):\n    return [random.random() for _ in completions]\n"


@pytest.mark.parametrize(
    ("values", "options", "best", "over"),
    [
        ([3, 2, 1], {}, 3, False),
        ([3, 2, 2, 2], {}, 2, True),
        ([3, 4, 2, 5], {}, 3, False),
        ([3, 2.5, 2.1], {"min_delta": 0.5}, 3, False),
        ([3, 2.6, 2.5], {"min_delta": 0.5}, 1, True),
        ([1, 2, 2, 1], {"higher_is_better": True}, 2, True),
        ([3, math.nan, math.inf], {}, 1, True),
        ([math.nan, 3], {}, 2, False),
    ],
)
def test_a_plateau_is_so_many_values_without_an_improvement(values, options, best, over):
    options = {"patience": 2, "min_delta": 0.0, "higher_is_better": False, **options}
    plateau = Plateau(**options)
    for step, value in enumerate(values, 1):
        plateau.improves(value, step, step / 10)
        # What is saved and restored at any moment makes no difference.
        restored = Plateau(**options)
        restored.restore(json.loads(json.dumps(plateau.state())))
        plateau = restored
    assert (plateau.best_step, plateau.is_over) == (best, over)


def test_rows_are_held_back_by_the_seed():
    rows = [{"text": str(n)} for n in range(10)]
    trained, held = hold_back(rows, 25, 42)
    assert len(held) == 2 and sorted(trained + held, key=rows.index) == rows
    assert hold_back(rows, 25, 42) == (trained, held) != hold_back(rows, 25, 43)
    with pytest.raises(TrainerFailure, match="one row"):
        hold_back(rows[:1], 50, 1)


def stops_sft(folder, h, **changes):
    folder.mkdir()
    changes = {
        "eval": {"dataset": None, "split_percent": 25, "every_steps": 2},
        "early_stop": {"metric": "eval_loss", "patience": 2, "min_delta": NEVER},
        "resume_interval_seconds": EVERY_STEP,
        **changes,
    }
    return sft_config(folder, h={"max_steps": 20, **h}, **changes)


def stops_grpo(folder, h, **changes):
    folder.mkdir()
    stop = {"metric": "reward", "patience": 2, "min_delta": NEVER, "window": 2}
    changes = {"early_stop": stop, "resume_interval_seconds": EVERY_STEP, **changes}
    return grpo_config(folder, RANDOM, h={"max_steps": 20, **h}, **changes)


@pytest.mark.parametrize("h", [{}, {"lora_rank": 4}], ids=["full", "lora"])
@pytest.mark.parametrize("make", [stops_sft, stops_grpo], ids=["sft", "grpo"])
def test_a_job_stops_early_with_its_best_weights_also_when_resumed(tmp_path, make, h):
    whole = run_here(tmp_path, make(tmp_path / "1", h))
    assert whole[-1] == {"type": "finished", "step": 6, "early_stopped": True, "best_step": 2}
    assert sorted(evaluations(whole)) == [2, 4, 6] and sorted(losses(whole)) == list(range(1, 7))
    assert any("Stopped early at step 6 of 20" in line["message"] for line in whole if line["type"] == "notice")
    [final] = checkpoints(whole, "final").values()
    saved = checkpoints(whole, "resume")
    assert final["step"] == 2 and max(saved) == 5
    assert same_tensors(final.get("adapter_dir", final["dir"]), saved[2]["dir"])
    # Between two comparisons, with one of them stale.
    config = make(tmp_path / "2", h, resume_from=saved[5]["dir"])
    # The first attempt's host is gone.
    (tmp_path / "1" / "out").rename(tmp_path / "elsewhere")
    config["resume_from"] = str(tmp_path / "elsewhere" / "checkpoint-5")
    resumed = run_here(tmp_path, config)
    assert resumed[-1] == whole[-1] and evaluations(resumed) == {6: evaluations(whole)[6]}
    [again] = checkpoints(resumed, "final").values()
    first = str(tmp_path / "elsewhere" / "final")
    assert again["step"] == 2 and weights(again["dir"]) == weights(first)


def evaluations(lines):
    return {line["step"]: line["values"] for line in lines if line["type"] == "metrics" and line["kind"] == "eval"}


def same_tensors(one, two):
    import torch
    from safetensors.torch import load_file

    name = "adapter_model.safetensors" if one.endswith("-adapter") else "model.safetensors"
    left, right = load_file(f"{one}/{name}"), load_file(f"{two}/{name}")
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


def test_a_job_that_runs_to_its_end_has_its_best_weights_too(tmp_path):
    stop = {"metric": "eval_loss", "patience": 9, "min_delta": NEVER}
    lines = run_here(tmp_path, stops_sft(tmp_path / "1", {"max_steps": 5}, early_stop=stop))
    assert lines[-1] == {"type": "finished", "step": 5, "early_stopped": False, "best_step": 2}
    assert sorted(evaluations(lines)) == [2, 4, 5] and set(checkpoints(lines, "final")) == {2}
    assert any("the final weights are those of step 2" in line.get("message", "") for line in lines)


def test_a_job_whose_evaluations_are_no_numbers_stops_early_with_its_last_weights(tmp_path, monkeypatch):
    def nothing(self, args, state, control, **_):
        self._compare(math.nan, state, control)

    monkeypatch.setattr(EvaluationCallback, "on_evaluate", nothing)
    lines = run_here(tmp_path, stops_sft(tmp_path / "1", {}))
    assert lines[-1] == {"type": "finished", "step": 4, "early_stopped": True}
    assert set(checkpoints(lines, "final")) == {4}


def test_a_dataset_of_its_own_is_evaluated_at_each_epochs_end(tmp_path):
    path = tmp_path / "eval.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"{n}+5=", "completion": str(n + 5)}) + "\n" for n in range(6)))
    plan = {"dataset": {"path": str(path), "format": "prompt_completion"}, "split_percent": None, "every_steps": None}
    h = {"max_steps": None, "num_epochs": 2.5}
    lines = run_here(tmp_path, stops_sft(tmp_path / "1", h, eval=plan, early_stop=None))
    assert sorted(evaluations(lines)) == [4, 8, 10] and lines[-1] == {"type": "finished", "step": 10}
    assert all(0 < values["eval_loss"] < 10 for values in evaluations(lines).values())
