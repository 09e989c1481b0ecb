"""Several processes train one job: two gloo ranks on the CPU, against one process with the same global batch."""

import random
import socket

import pytest
from forked import Forked, train
from in_process import checkpoints, losses
from trainer_process import (
    TINY,
    classification_config,
    embedding_config,
    grpo_config,
    planned,
    regression_config,
    sft_config,
    weights,
)

EVERY_STEP = 1e-9
NEAR = 1e-5
LORA = {"lora_rank": 4}


def world(folder, make, child=train, size=2, **changes):
    """The first rank's lines of a job in so many processes."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    ranks = [Forked(folder, make(folder, **changes), child, rank, size, port) for rank in range(size)]
    for other in ranks[1:]:
        assert other.finish() == []
    return ranks[0].finish()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def uneven_sft(folder, **changes):
    """Rows of very different lengths, so that ranks and passes have uneven counts of tokens to learn."""
    rows = [{"prompt": "x" * (n % 3), "completion": "abcdefghijkl"[: 1 + n % 11]} for n in range(32)]
    h = {"global_batch_size": 8, "batch_size": 2, "max_steps": 5, **changes.pop("h", {})}
    return sft_config(folder, rows=rows, h=h, **changes)


def assert_near(one, two, keys):
    first, second = losses(one), losses(two)
    assert sorted(first) == sorted(second)
    for step in first:
        assert {key: first[step][key] for key in keys} == pytest.approx(
            {key: second[step][key] for key in keys}, abs=NEAR
        )


def assert_near_weights(one, two, last):
    from safetensors.torch import load_file

    left, right = (load_file(f"{checkpoints(lines, 'final')[last]['dir']}/model.safetensors") for lines in (one, two))
    assert left.keys() == right.keys()
    assert max(float((left[name] - right[name]).abs().max()) for name in left) < 1e-4


@pytest.mark.parametrize("h", [{}, LORA], ids=["full", "lora"])
def test_two_processes_lose_as_one_does(tmp_path, h):
    one = Forked(tmp_path / "one", uneven_sft(make_folder(tmp_path / "one"), h=h)).finish()
    two = world(tmp_path / "two", uneven_sft, h=h)
    assert two[0]["world_size"] == 2
    assert_near(one, two, ["loss", "grad_norm", "learning_rate", "num_tokens"])
    assert_near_weights(one, two, 5)


def test_the_first_of_two_processes_tests(tmp_path):
    plan = planned(make_folder(tmp_path / "two"), {"test_similarity_shared": None})
    lines = world(tmp_path / "two", sft_config, test=plan, h={"batch_size": 2})
    assert [line["done"] for line in lines if line["type"] == "testing"] == [0, 1]
    assert set(checkpoints(lines, "test")) == {6} and lines[-1]["type"] == "finished"


@pytest.mark.parametrize(
    ("make", "steps", "metrics"),
    [
        (classification_config, 2, ["accuracy", "f1", "roc_auc"]),
        (regression_config, 1, ["rmse", "pearson"]),
        (embedding_config, 2, ["spearman", "mse"]),
    ],
)
def test_two_processes_learn_from_rows_as_one_does(tmp_path, make, steps, metrics):
    plan = {"dataset": make(make_folder(tmp_path / "eval"))["dataset"], "split_percent": None, "every_steps": steps}
    # tiny-llama has no dropout, whose masks would be each rank's own.
    changes = {"base_model": TINY, "h": {"batch_size": 2, "global_batch_size": 8, "max_steps": steps}}
    changes["eval"] = {**plan, "metrics": metrics}
    one = Forked(tmp_path / "one", make(make_folder(tmp_path / "one"), **changes)).finish()
    two = world(tmp_path / "two", make, **changes)
    assert_near(one, two, ["loss", "grad_norm", "learning_rate"])
    assert_near_weights(one, two, steps)
    # Each row counts once, also where ranks have unevenly many.
    told, same = ([line["values"] for line in lines if line.get("kind") == "eval"] for lines in (one, two))
    assert len(told) == len(same) == 1 and told[0].keys() == {*metrics, "epoch"}
    assert [same[0][name] for name in metrics] == pytest.approx([told[0][name] for name in metrics], abs=1e-4)


def make_folder(folder):
    folder.mkdir(exist_ok=True)
    return folder


def same_completions(fd, path):
    """
    Ranks sample from generators of their own, so that two processes never draw what one does. Here each completion is
    drawn from its prompt and its place among the prompt's completions: the rest of a step must be equal.
    """
    from trl.trainer.grpo_trainer import GRPOTrainer

    def drawn(self, prompt_ids, *args, **kwargs):
        places = [prompt_ids[:at].count(ids) for at, ids in enumerate(prompt_ids)]
        drawn = [random.Random(f"{ids} {place}") for ids, place in zip(prompt_ids, places, strict=True)]
        return [[at.randrange(256) for _ in range(at.randint(1, 3))] for at in drawn], None

    GRPOTrainer._generate_single_turn = drawn
    train(fd, path)


def sharded(fd, path):
    """As on GPUs that are too small for one process to hold all."""
    from anneal_trainer import memory

    memory.smallest_gpu_bytes = lambda: 1024
    train(fd, path)


@pytest.mark.parametrize("h", [{}, LORA], ids=["full", "lora"])
def test_two_processes_that_share_the_model_lose_as_one_does(tmp_path, h):
    one = Forked(tmp_path / "one", uneven_sft(make_folder(tmp_path / "one"), h=h)).finish()
    two = world(tmp_path / "two", uneven_sft, sharded, h=h, resume_interval_seconds=EVERY_STEP)
    assert any("share it (FSDP)" in line["message"] for line in two if line["type"] == "notice")
    assert_near(one, two, ["loss", "grad_norm", "learning_rate", "num_tokens"])
    assert_near_weights(one, two, 5)
    saved = checkpoints(two, "resume")[2]["dir"]
    resumed = world(tmp_path / "three", uneven_sft, sharded, h=h, resume_from=saved)
    assert losses(resumed) == {step: values for step, values in losses(two).items() if step > 2}
    assert_near_weights(two, resumed, 5)


@pytest.mark.parametrize("h", [{}, LORA], ids=["full", "lora"])
def test_two_processes_learn_from_the_same_completions_as_one_does(tmp_path, h):
    h = {"max_steps": 3, "global_batch_size": 16, **h}
    one = Forked(tmp_path / "one", grpo_config(make_folder(tmp_path / "one"), h=h), same_completions).finish()
    two = world(tmp_path / "two", grpo_config, same_completions, h=h)
    assert_near(one, two, ["loss", "grad_norm", "reward", "reward_std", "kl", "completions/mean_length", "num_tokens"])
    assert_near_weights(one, two, 3)


@pytest.mark.slow
@pytest.mark.parametrize("h", [{}, LORA], ids=["full", "lora"])
def test_processes_that_share_the_model_generate_and_resume(tmp_path, h):
    h = {"global_batch_size": 16, **h}
    whole = world(tmp_path / "one", grpo_config, sharded, h=h, resume_interval_seconds=EVERY_STEP)
    saved = checkpoints(whole, "resume")[2]["dir"]
    resumed = world(tmp_path / "two", grpo_config, sharded, h=h, resume_from=saved)
    assert losses(resumed) == {step: values for step, values in losses(whole).items() if step > 2}


@pytest.mark.slow
@pytest.mark.parametrize("child", [train, sharded])
@pytest.mark.parametrize("h", [{}, LORA], ids=["full", "lora"])
def test_two_processes_stop_early_with_the_best_weights(tmp_path, h, child):
    stop = {"metric": "eval_loss", "patience": 2, "min_delta": 1000.0}
    plan = {"dataset": None, "split_percent": 25, "every_steps": 2}
    changes = {"early_stop": stop, "eval": plan, "resume_interval_seconds": EVERY_STEP, "h": {"max_steps": 20, **h}}
    two = world(tmp_path / "two", uneven_sft, child, **changes)
    assert two[-1] == {"type": "finished", "step": 6, "early_stopped": True, "best_step": 2}
    changes["resume_from"] = checkpoints(two, "resume")[5]["dir"]
    resumed = world(tmp_path / "three", uneven_sft, child, **changes)
    assert resumed[-1] == two[-1] and sorted(losses(resumed)) == [6]
    assert len({weights(checkpoints(lines, "final")[2]["dir"]) for lines in (two, resumed)}) == 1
