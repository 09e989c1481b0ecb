"""Tests of checkpoints: real models and real functions' processes, the order of the lines, and what goes wrong."""

import json
import os
import shutil
import weakref
from itertools import groupby
from pathlib import Path

import pytest
from in_process import checkpoints, losses, run_here
from trainer_process import (
    classification_config,
    embedding_config,
    grpo_config,
    planned,
    regression_config,
    sft_config,
)

from anneal_trainer.config import LocalFunction, PlannedTest, UntestedCheckpoint, UserCode
from anneal_trainer.failures import TrainerFailure
from anneal_trainer.report import Reporter
from anneal_trainer.testing import ROWS_PER_CALL, Stopped, Tests
from anneal_trainer.testing_rows import TestRow

SIMILARITY = "test_similarity_shared"
# Masks the rows whose sum is even; of the others it says how long the output is.
PICKY = """
def picky(input_text, expected_output, predicted_output):
    assert isinstance(input_text, str) and isinstance(predicted_output, str)
    if int(expected_output) % 2 == 0:
        raise ValueError("even")
    return len(predicted_output)
"""
CHATS = [
    {
        "messages": [
            {"role": "system", "content": "add"},
            {"role": "user", "content": f"{a}+{b}="},
            {"role": "assistant", "content": str(a + b)},
        ]
    }
    for a in range(4)
    for b in range(4)
]


def told(lines):
    """The kinds of the lines after training, in order; a sign of life says again what was said."""
    words = {"testing": lambda line: f"{line['done']}/{line['total']}", "finished": lambda _: "finished"}
    words["checkpoint"] = lambda line: f"{line['kind']} {line['step']}"
    return [word for word, _ in groupby(words[line["type"]](line) for line in lines if line["type"] in words)]


def table(line):
    return [json.loads(row) for row in (Path(line["dir"]) / "results.jsonl").read_text().splitlines()]


def take_to(folders):
    """Takes each model away as soon as it is told of, as the agent does, and keeps it."""

    def upload(line):
        if line["type"] == "checkpoint" and line["kind"] in ("epoch", "final"):
            os.renames(line["dir"], folders / str(line["step"]))

    return upload


def test_every_checkpoint_is_tested_though_the_agent_has_deleted_it(tmp_path, monkeypatch):
    import anneal_trainer.run as run
    import anneal_trainer.sft_text as sft_text

    load, free = sft_text.load, run._free_memory
    trained = []

    def loads(*arguments):
        base = load(*arguments)
        trained.append(weakref.ref(base.model))
        return base

    def frees(on_gpu):
        free(on_gpu)
        assert [one() for one in trained] == [None], "the trained model is still in memory when tests begin"

    monkeypatch.setattr(sft_text, "load", loads)
    monkeypatch.setattr(run, "_free_memory", frees)
    folders = tmp_path / "uploaded"
    plan = planned(tmp_path, {SIMILARITY: None, "picky": PICKY})
    config = sft_config(tmp_path, test=plan, h={"max_steps": None, "num_epochs": 3})
    lines = run_here(tmp_path, config, take_to(folders))
    # 12 rows are left to train on: 3 steps an epoch.
    assert told(lines) == [
        "epoch 3", "epoch 6", "final 9", "0/3", "test 3", "1/3", "test 6", "2/3", "test 9", "3/3", "finished",
    ]  # fmt: skip
    tests = checkpoints(lines, "test")
    assert [tests[step]["epoch"] for step in (3, 6, 9)] == [1, 2, 3]
    assert os.listdir(tests[9]["dir"]) == ["results.jsonl"] and tests[9]["versions"]["trl"]
    rows = table(tests[9])
    columns = ["expected_output", "input", "output", "picky", SIMILARITY]
    assert len(rows) == 4 and all(sorted(row) == columns for row in rows)
    odd = [row for row in rows if int(row["expected_output"]) % 2]
    assert [row["picky"] for row in rows if row not in odd] == [None] * (4 - len(odd))
    means = tests[9]["results"]
    assert means[SIMILARITY] == pytest.approx(sum(row[SIMILARITY] for row in rows) / 4)
    assert means.get("picky") == (sum(len(row["output"]) for row in odd) / len(odd) if odd else None)
    masked = [line["metadata"] for line in lines if line["type"] == "event" and line["metadata"]["step"] == 9]
    assert [(one["function"], one["count"], one["reason"]) for one in masked] == [("picky", 4 - len(odd), "exception")]
    assert not (tmp_path / "out" / "untested").exists() or os.listdir(tmp_path / "out" / "untested") == []
    # What the table says is what the checkpoint answers, whatever it was batched with.
    assert [row["output"] for row in rows] == [answer(folders / "9", row["input"], len("10")) for row in rows]

    # The attempt is lost after the first test: the next one has nothing to train, and says the same of the others.
    left = [{"step": step, "epoch": step / 3, "dir": str(folders / str(step))} for step in (6, 9)]
    again = {**config, "test": {**plan, "checkpoints": left, "is_trained": True}, "output_dir": str(tmp_path / "again")}
    next_lines = run_here(tmp_path, again)
    assert next_lines[0] == {"type": "notice", "message": lines[0]["message"]}
    started = next(line for line in next_lines if line["type"] == "started")
    assert started["total_steps"] == started["resumed_from_step"] == 9 and started["device"] == "cpu"
    assert told(next_lines) == ["0/2", "test 6", "1/2", "test 9", "2/2", "finished"]
    assert next_lines[-1] == {"type": "finished", "step": 9}
    for step in (6, 9):
        assert table(checkpoints(next_lines, "test")[step]) == table(tests[step])
        assert checkpoints(next_lines, "test")[step]["results"] == tests[step]["results"]


def answer(folder, prompt, longest):
    """What the model says to one prompt alone, greedily."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(prompt)["input_ids"]
    new: list[int] = []
    with torch.inference_mode():
        while len(new) < 2 * longest + 16 and tokenizer.eos_token_id not in new:
            new.append(int(model(torch.tensor([ids + new])).logits[0, -1].argmax()))
    return tokenizer.decode(new, skip_special_tokens=True)


def test_a_model_of_an_earlier_attempt_is_tested_with_those_that_are_trained_now(tmp_path):
    h = {"max_steps": None, "num_epochs": 2}
    earlier = run_here(tmp_path, sft_config(tmp_path, h={**h, "num_epochs": 1}, resume_interval_seconds=1e-9))
    epoch = checkpoints(earlier, "final")[4]["dir"]
    shutil.copytree(epoch, tmp_path / "given")
    given = [{"step": 4, "epoch": 1, "dir": str(tmp_path / "given")}]
    rows = tmp_path / "test.jsonl"
    rows.write_text(json.dumps({"prompt": "9+9=", "completion": "18"}) + "\n")
    dataset = {"path": str(rows), "format": "prompt_completion"}
    # Step 3 of the first epoch: what trains now reports the epoch's end again, and it is tested once.
    plan = planned(tmp_path, {SIMILARITY: None}, dataset=dataset, split_percent=None, checkpoints=given)
    lines = run_here(tmp_path, sft_config(tmp_path, test=plan, h=h, output_dir=str(tmp_path / "second")))
    assert told(lines)[-7:] == ["final 8", "0/2", "test 4", "1/2", "test 8", "2/2", "finished"]
    assert [row["input"] for row in table(checkpoints(lines, "test")[8])] == ["9+9="]


def test_an_adapter_without_its_base_is_tested_on_the_base(tmp_path):
    from anneal_trainer.sft_text import SftText

    config = sft_config(tmp_path, h={"lora_rank": 4, "learning_rate": 0.05})
    lines = run_here(tmp_path, config)
    final = checkpoints(lines, "final")[6]
    rows = [TestRow(f"{n}+{n}=", str(n + n), f"{n}+{n}=") for n in range(4)]
    merged, adapted = [], []
    for given, made in ((final["dir"], merged), (final["adapter_dir"], adapted)):
        tests, sent = make_tests(tmp_path, {}, rows, checkpoints=[UntestedCheckpoint(6, 1.0, given)])
        tests.keep_given()
        assert tests.need_base() == (given == final["adapter_dir"])
        job = SftText(load_config(tmp_path), None)
        job.base_folder = str(tmp_path / "out" / "base-0")

        def predict(folder, rows, told, job=job, made=made):
            made += job.predict(folder, rows, told)
            return made

        tests.run(predict, {}, Switch())
        assert sent()[-1] == {"type": "testing", "done": 1, "total": 1}
    assert merged == adapted and any(merged)


def load_config(folder):
    from anneal_trainer import config

    return config.load(str(folder / "config.json"))


def test_testing_functions_are_rewards_too_and_chats_have_their_last_reply_expected(tmp_path):
    twice = "def twice(input_text, expected_output, predicted_output):\n    return 2.0 * (input_text[:3] == 'sys')\n"
    plan = planned(tmp_path, {SIMILARITY: None, "twice": twice})
    functions = [
        {**function, "weight": weight} for function, weight in zip(plan["functions"], (0.5, 0.25), strict=True)
    ]
    h = {"max_steps": 2, "max_prompt_length": 64}
    config = grpo_config(tmp_path, rows=CHATS, functions=functions, test=plan, h=h)
    config["dataset"]["format"] = "messages"
    lines = run_here(tmp_path, config)
    for values in losses(lines).values():
        assert values["rewards/twice/mean"] == 2.0
        assert values["reward"] == pytest.approx(0.5 * values[f"rewards/{SIMILARITY}/mean"] + 0.5)
    assert told(lines) == ["final 2", "0/1", "test 2", "1/1", "finished"]
    row = table(checkpoints(lines, "test")[2])[0]
    assert row["input"].startswith("system: add\nuser: ") and row["expected_output"].isdigit() and row["twice"] == 2.0


def test_a_prompt_of_nothing_is_not_trained_on(tmp_path):
    rows = [{"prompt": prompt, "answer": "x"} for prompt in ("", "a", "")]
    lines = run_here(tmp_path, grpo_config(tmp_path, rows=rows, h={"max_steps": 1}))
    notices = [line["message"] for line in lines if line["type"] == "notice"]
    assert "Dropped 2 of 3 rows: a model cannot go on from an empty prompt" in notices
    assert lines[-1] == {"type": "finished", "step": 1}
    with pytest.raises(TrainerFailure, match="All prompts are empty"):
        run_here(tmp_path, grpo_config(tmp_path, rows=rows[:1], h={"max_steps": 1}))


def test_only_a_model_that_learns_what_is_expected_must_be_as_short(tmp_path):
    from anneal_trainer.grpo import Grpo
    from anneal_trainer.sft_text import SftText
    from anneal_trainer.tiny_models import make_tiny_llama

    base = tmp_path / "base"
    make_tiny_llama(str(base))
    report = Reporter(os.open(os.devnull, os.O_WRONLY))
    h = {"max_prompt_length": 64, "max_response_length": 48}
    lengths, signs = {}, []
    for method, config in (
        (SftText, sft_config(tmp_path, h={"max_seq_length": 64})),
        (Grpo, grpo_config(tmp_path, h=h)),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config))
        job = method(load_config(tmp_path), report)
        made = job.predict(str(base), [TestRow("q", "1", "q")], lambda: signs.append(1))
        # A model that has learnt nothing does not end by itself, and writes a byte a token.
        lengths[method] = len(made[0].encode("utf-8", "replace"))
    assert 0 < lengths[SftText] <= 18 * 3 and len(signs) > 48
    assert lengths[SftText] < lengths[Grpo]


MATCH = "sample_match_combined_metric_shared"
LONG = {"max_steps": 40, "save_steps": 20}


@pytest.mark.parametrize(
    ("make", "function", "is_good"),
    [
        (classification_config, MATCH, lambda mean: mean > 0.8),
        (regression_config, "regression_mae", lambda mean: mean < 0.2),
        (embedding_config, "embedding_pair_match", lambda mean: mean > 0.8),
    ],
    ids=["classification", "regression", "embedding"],
)
def test_the_other_methods_are_tested_too_and_an_attempt_that_only_tests_says_the_same(
    tmp_path, make, function, is_good
):
    # On the training rows themselves: how well a model of no words generalises is not the question here.
    config = make(tmp_path, h=LONG)
    config["test"] = planned(tmp_path, {function: None}, dataset=config["dataset"], split_percent=None)
    lines = run_here(tmp_path, config, take_to(tmp_path / "uploaded"))
    tests = checkpoints(lines, "test")
    assert sorted(tests) == [20, 40] and is_good(tests[40]["results"][function])
    for row in table(tests[40]):
        assert isinstance(row[function], float) and row["expected_output"] and row["output"]
    left = [{"step": 40, "epoch": tests[40]["epoch"], "dir": str(tmp_path / "uploaded" / "40")}]
    again = {**config["test"], "checkpoints": left, "is_trained": True}
    next_lines = run_here(tmp_path, {**config, "test": again, "output_dir": str(tmp_path / "again")})
    assert table(checkpoints(next_lines, "test")[40]) == table(tests[40])


def test_a_prompt_that_fills_the_model_leaves_room_for_an_answer_and_an_empty_one_is_answered(tmp_path):
    import transformers

    from anneal_trainer.tiny_models import make_tiny_llama

    base = tmp_path / "base"
    make_tiny_llama(str(base))
    sizes = {"vocab_size": 261, "n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 64}
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes, bos_token_id=257, eos_token_id=258))
    model.save_pretrained(base)
    path = base / "tokenizer_config.json"
    names = {"model_input_names": ["input_ids", "attention_mask"]}
    path.write_text(json.dumps({**json.loads(path.read_text()), **names}))
    rows = [{"prompt": prompt, "completion": "abcd"} for prompt in ("p" * 56, "", "q")]
    h = {"max_steps": 1, "batch_size": 1, "global_batch_size": 1, "max_seq_length": 64}
    config = sft_config(tmp_path, rows=rows, base_model={"kind": "path", "path": str(base)}, h=h)
    config["test"] = planned(tmp_path, {SIMILARITY: None}, dataset=config["dataset"], split_percent=None)
    tested = checkpoints(run_here(tmp_path, config), "test")[1]
    assert [row["input"] for row in table(tested)] == [row["prompt"] for row in rows]


def test_a_checkpoint_every_so_many_steps_takes_the_place_of_epochs(tmp_path):
    h = {"max_steps": None, "num_epochs": 2, "save_steps": 3}
    lines = run_here(tmp_path, sft_config(tmp_path, h=h))
    assert told(lines) == ["epoch 3", "epoch 6", "final 8", "finished"]


def test_what_cannot_be_tested_fails_before_training(tmp_path):
    for plan, rows, words, reason in (
        ({"picky": "def other(a, b, c): pass\n"}, None, "testing function picky.*no function `picky`", "user_code"),
        ({"picky": PICKY}, [{"text": "1+1=2"}] * 4, "expected output", "dataset_format_incompatible"),
    ):
        config = sft_config(tmp_path, test=planned(tmp_path, plan), **({"rows": rows} if rows else {}))
        config["dataset"]["format"] = "text" if rows else "prompt_completion"
        seen = []
        with pytest.raises(TrainerFailure, match=words) as caught:
            run_here(tmp_path, config, seen.append)
        assert caught.value.reason == reason and "started" not in [line["type"] for line in seen]
    plan = planned(tmp_path, {SIMILARITY: None})
    functions = [{**plan["functions"][0], "weight": 1}]
    with pytest.raises(TrainerFailure, match="as a reward needs rows with an expected output") as caught:
        run_here(tmp_path, grpo_config(tmp_path, rows=[{"prompt": "1+1="}] * 4, functions=functions))
    assert caught.value.reason == "dataset_format_incompatible"


class Switch:
    """A stop that comes after so many looks."""

    def __init__(self, looks=10**9):
        self.looks = looks

    @property
    def requested(self):
        self.looks -= 1
        return self.looks < 0


def make_tests(folder, sources, rows, **changes):
    """Tests over these rows, and a function that gives the lines that they have sent."""
    plan = planned(folder, sources)
    functions = [LocalFunction(**function) for function in plan["functions"]]
    fields = {"dataset": None, "split_percent": 25, "functions": functions, "checkpoints": [], "is_trained": False}
    path = folder / "lines"
    report = Reporter(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
    out = folder / "tests"
    out.mkdir(exist_ok=True)
    tests = Tests(PlannedTest(**{**fields, **changes}), rows, str(out), UserCode(1.0, 2**29, 1000), 42, report)
    return tests, lambda: [json.loads(line) for line in path.read_text().splitlines()]


def model_folder(folder):
    (folder / "model").mkdir(exist_ok=True)
    (folder / "model" / "config.json").write_text("{}")
    return str(folder / "model")


ROWS = [TestRow(f"in {n}", str(n), None) for n in range(4 * ROWS_PER_CALL)]
HANGS = """
import time

def hangs(input_text, expected_output, predicted_output):
    if int(expected_output) >= 32:
        time.sleep(99)
    return 1
"""


def test_a_function_that_hangs_is_given_up_and_the_others_are_not(tmp_path):
    right = "def right(i, e, p):\n    return e == p\n"
    tests, sent = make_tests(tmp_path, {"hangs": HANGS, "right": right}, ROWS)
    # The best weights are told of twice, at their epoch and as the final ones.
    tests.keep(model_folder(tmp_path), 7, 1.0)
    tests.keep(model_folder(tmp_path), 7, 1.0)
    tests.run(lambda folder, rows, told: ["0"] * len(rows), {}, Switch())
    lines = sent()
    assert told(lines) == ["0/1", "test 7", "1/1"]
    result = checkpoints(lines, "test")[7]
    assert result["results"] == {"hangs": 1.0, "right": 1 / len(ROWS)}
    assert [row["hangs"] for row in table(result)] == [1] * 32 + [None] * 96
    [masked] = [line["metadata"] for line in lines if line["type"] == "event"]
    assert masked["reason"] == "timeout" and masked["count"] == 3 * ROWS_PER_CALL and masked["step"] == 7


def test_one_that_is_given_up_says_how_many_rows_it_leaves(tmp_path):
    source = HANGS.replace(">= 32", ">= 0")
    tests, sent = make_tests(tmp_path, {"hangs": source}, ROWS)
    tests.keep(model_folder(tmp_path), 7, 1.0)
    tests.run(lambda folder, rows, told: ["0"] * len(rows), {}, Switch())
    assert checkpoints(sent(), "test")[7]["results"] == {}
    [notice] = [line["message"] for line in sent() if line["type"] == "notice"]
    assert "the other 32 of 128 rows of step 7" in notice


def test_a_stop_ends_the_tests_between_two_batches(tmp_path):
    tests, sent = make_tests(tmp_path, {SIMILARITY: None}, ROWS)
    for step in (1, 2):
        tests.keep(model_folder(tmp_path), step, 1.0)
    with pytest.raises(Stopped):
        tests.run(lambda folder, rows, told: ["0"] * len(rows), {}, Switch(looks=6))
    assert told(sent()) == ["0/2", "test 1", "1/2"]


def test_a_long_test_gives_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr("anneal_trainer.testing.SECONDS_BETWEEN_SIGNS", 0)
    tests, sent = make_tests(tmp_path, {}, ROWS)
    tests.keep(model_folder(tmp_path), 1, 1.0)

    def predict(folder, rows, told):
        told()
        return ["0"] * len(rows)

    tests.run(predict, {}, Switch())
    assert [line.get("done") for line in sent()] == [0, 0, None, 1]
