"""Tasks of kind `preprocess`: what they tell and leave, and that training on it is training without it, to the bit."""

import json
import os
import signal
from pathlib import Path

import pytest
from forked import Forked, train
from in_process import checkpoints, losses, run_here
from test_row_methods import small_base
from trainer_process import (
    classification_config,
    embedding_config,
    grpo_config,
    regression_config,
    sft_config,
    weights,
)

from anneal_trainer.failures import TrainerFailure
from anneal_trainer.report import Reporter

CHATS = [
    {"messages": [{"role": "user", "content": f"{n}"}, {"role": "assistant", "content": "yes" * n}]} for n in range(9)
]


def sft_chats(folder, **changes):
    config = sft_config(folder, rows=CHATS, **changes)
    return {**config, "dataset": {**config["dataset"], "format": "messages"}}


def preprocessed(folder, config):
    """The lines of a preprocess task of this config, and its cache."""
    lines = run_here(folder / "preprocess", {**config, "task": "preprocess"})
    return lines, checkpoints(lines, "final")[0]["dir"]


def notices(lines):
    return [line["message"] for line in lines if line["type"] == "notice"]


def evaluations(lines):
    return [line["values"]["eval_loss"] for line in lines if line["type"] == "metrics" and line["kind"] == "eval"]


@pytest.mark.parametrize(
    "make",
    [sft_config, sft_chats, classification_config, regression_config, embedding_config],
    ids=lambda f: f.__name__,
)
def test_training_on_preprocessed_rows_is_training_on_the_rows(tmp_path, make):
    plan = {"dataset": None, "split_percent": 20, "every_steps": 3}
    config = make(tmp_path, eval=plan, h={"max_steps": 4, "max_seq_length": 9})
    lines, cache = preprocessed(tmp_path, config)
    told = [line for line in lines if line["type"] not in ("notice", "progress")]
    assert [line["type"] for line in told] == ["started", "checkpoint", "finished"]
    total = told[0]["total_steps"]
    progress = [(line["step"], line["total_steps"]) for line in lines if line["type"] == "progress"]
    assert progress[-1] == (total, total) and told[-1]["step"] == total
    described = json.loads((Path(cache) / "cache.json").read_text())
    assert described["method"] == config["method"] and described["max_seq_length"] == 9
    assert sum(part["rows"] for part in described["counts"].values()) <= total
    assert all(part["tokens"] >= part["rows"] for part in described["counts"].values())
    # What has been sent elsewhere and back does not lie where it was made.
    moved = Path(cache).rename(tmp_path / "moved")
    plain = run_here(tmp_path / "plain", {**config, "output_dir": str(tmp_path / "plain-out")})
    ready = run_here(
        tmp_path / "ready", {**config, "preprocessed": str(moved), "output_dir": str(tmp_path / "ready-out")}
    )
    assert not any("tokenised here" in message for message in notices(ready))
    assert losses(ready) == losses(plain) and evaluations(ready) == evaluations(plain)
    final, same = (checkpoints(lines, "final")[4]["dir"] for lines in (plain, ready))
    assert weights(final) == weights(same)


def test_a_cache_that_does_not_fit_is_told_of_and_left(tmp_path):
    config = classification_config(tmp_path, h={"max_steps": 1})
    _, cache = preprocessed(tmp_path, config)
    described = Path(cache) / "cache.json"

    def trained(name, changes):
        changed = {**config, **changes, "preprocessed": cache, "output_dir": str(tmp_path / f"{name}-out")}
        lines = run_here(tmp_path / name, changed)
        assert lines[-1] == {"type": "finished", "step": 1}
        return [message for message in notices(lines) if "tokenised here" in message]

    assert trained("fits", {}) == []
    longer = {"hyperparameters": {**config["hyperparameters"], "max_seq_length": 5}}
    assert "for another max_seq_length: " in trained("longer", longer)[0]
    assert "for another rows: " in trained("fewer", {"downsample_percent": 50})[0]
    assert (
        "for another base model: "
        in trained("base", {"base_model": {"kind": "builtin", "name": "anneal/tiny-llama"}})[0]
    )
    saved = json.loads(described.read_text())
    described.write_text(json.dumps({**saved, "libraries": {**saved["libraries"], "tokenizers": "0.1"}}))
    assert "for another library versions: " in trained("versions", {})[0]
    described.unlink()
    assert "cannot be read (FileNotFoundError)" in trained("gone", {})[0]


def test_rows_that_the_prompt_fills_are_dropped_from_a_cache_too(tmp_path):
    rows = [{"prompt": "p" * n, "completion": "c"} for n in (1, 2, 30, 40)]
    config = sft_config(
        tmp_path, rows=rows, h={"max_steps": 1, "max_seq_length": 8, "batch_size": 1, "global_batch_size": 1}
    )
    lines, cache = preprocessed(tmp_path, config)
    assert json.loads((Path(cache) / "cache.json").read_text())["counts"]["train"]["rows"] == 2
    assert any("Dropped 2 of 4 rows" in message for message in notices(lines))
    config = sft_config(tmp_path, rows=rows[2:], h={"max_seq_length": 8}, output_dir=str(tmp_path / "none"))
    with pytest.raises(TrainerFailure, match="the prompts alone fill it"):
        preprocessed(tmp_path, config)


@pytest.mark.parametrize("make", [classification_config, embedding_config])
def test_rows_are_cut_where_the_model_ends_without_its_weights(tmp_path, make):
    base = small_base(tmp_path / "base", "roberta")
    config = make(tmp_path, base_model=base, h={"max_steps": 2, "max_seq_length": 512})
    path = Path(config["dataset"]["path"])
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text(
        "".join(json.dumps({k: v * 50 if "text" in k else v for k, v in row.items()}) + "\n" for row in rows)
    )
    _, cache = preprocessed(tmp_path, config)
    plain = run_here(tmp_path / "plain", config)
    ready = run_here(tmp_path / "ready", {**config, "preprocessed": cache, "output_dir": str(tmp_path / "ready-out")})
    assert losses(ready) == losses(plain) and not any("tokenised here" in message for message in notices(ready))


def test_what_cannot_be_preprocessed_says_why(tmp_path):
    (tmp_path / "grpo").mkdir()
    with pytest.raises(TrainerFailure, match="nothing to preprocess"):
        preprocessed(tmp_path, grpo_config(tmp_path / "grpo"))
    config = sft_config(tmp_path, rows=[{"prompt": "a", "completion": "b"}, {"prompt": "a"}])
    with pytest.raises(TrainerFailure, match="line 2 has no completion") as caught:
        preprocessed(tmp_path, config)
    assert caught.value.reason == "invalid_dataset"


class StoppedAtFirstProgress(Reporter):
    """The agent's SIGTERM comes while a line is being written."""

    def _write(self, type, fields):
        super()._write(type, fields)
        if type == "progress":
            os.kill(os.getpid(), signal.SIGTERM)


def stopped_at_first_progress(fd: int, path: str) -> None:
    train(fd, path, StoppedAtFirstProgress)


def test_a_preprocess_task_stops_when_the_agent_says_so(tmp_path):
    rows = [{"text": f"row {n}", "score": n} for n in range(1500)]
    config = {**regression_config(tmp_path, rows=rows), "task": "preprocess"}
    lines = Forked(tmp_path / "task", config, stopped_at_first_progress).finish()
    assert [line["type"] for line in lines] == ["started", "progress", "stopped"]
    assert (lines[1]["step"], lines[1]["total_steps"], lines[2]["step"]) == (1000, 1500, 0)
