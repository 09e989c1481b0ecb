"""User code that misbehaves, in the real reward process; nothing is trained here."""

import os
import re
import time
from dataclasses import dataclass

import pytest

from anneal_trainer.config import RewardFunction, UserCode
from anneal_trainer.data import GrpoRow
from anneal_trainer.failures import TrainerFailure
from anneal_trainer.report import Reporter
from anneal_trainer.reward_process import RewardProcess
from anneal_trainer.rewards import Rewards

MiB = 1024 * 1024


@pytest.fixture
def process(tmp_path):
    """Starts a reward function from its source; every one is killed at the end."""
    made = []

    def make(source, format="trl", timeout=5.0, memory=512 * MiB, output=1000, load=True):
        path = tmp_path / f"reward{len(made)}.py"
        path.write_text(source)
        made.append(
            RewardProcess(RewardFunction("rf_1", "fn", str(path), format, 1.0), UserCode(timeout, memory, output))
        )
        made[-1].start()
        if load:
            made[-1].wait_loaded()
        return made[-1]

    yield make
    for one in made:
        one.close()


def call(process, completions=("a", "b"), seed="1", **columns):
    arguments = {"prompts": ["p"] * len(completions), "completions": list(completions), **columns}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)] or [{}] * len(
        completions
    )
    return process.call(seed, arguments, rows, len(completions))


def body(line):
    return f"import math, os, socket, sys, threading, time\ndef reward(completions, **kwargs):\n    {line}\n"


def test_scores_come_back(process):
    one = process(
        "def reward(completions, answer=None):\n    return [float(c == a) for c, a in zip(completions, answer)]\n"
    )
    assert call(one, answer=["a", "x"]).values == [1.0, 0.0]


def test_first_public_callable_when_there_is_no_reward(process):
    one = process(
        "from math import sqrt\ndef _b(x): pass\ndef b_score(completions, **k): return [2]*len(completions)\n"
    )
    assert call(one).values == [2.0, 2.0]


@pytest.mark.parametrize(
    ("line", "reason", "words"),
    [
        ("return [1.0]", "wrong_length", "1 scores for 2"),
        ("return 3", "wrong_type", "int"),
        ("return ['1', '2']", "wrong_type", "str"),
        ("return [None, None]", "none", "None"),
        ("return [math.nan, math.nan]", "nan", "NaN"),
        ("return [math.inf, 1e300]", "infinite", "infinite"),
        ("raise ValueError('no')", "exception", r"ValueError: no \(line 3\)"),
        ("sys.exit(0)", "exception", "SystemExit"),
        ("os._exit(3)", "crash", "ended with 3"),
        ("return [1] * len(open('/proc/1/root').read())", "exception", "Error"),
        ("x = bytearray(10**10)", "exception", "MemoryError"),
        ("socket.create_connection(('127.0.0.1', 9))", "exception", "PermissionError"),
        ("socket.socket(socket.AF_UNIX)", "exception", "PermissionError"),
        ("os.fork()", "exception", "PermissionError"),
        ("os.system('true') and 1; return os.execv('/bin/true', ['true'])", "exception", "PermissionError"),
        ("os.kill(os.getppid(), 0)", "exception", "PermissionError"),
        ("return open(f'/proc/{os.getppid()}/environ').read()", "exception", "PermissionError"),
        ("os.write(int(sys.argv[1]), b'{\"scores\": 1}\\n'); time.sleep(9)", "crash", "something else"),
    ],
)
def test_no_score_is_a_mask_and_says_why(process, line, reason, words):
    one = process(body(line))
    scores = call(one)
    assert scores.values == [None, None]
    assert scores.masks[0].reason == reason and scores.masks[0].count == 2
    assert re.search(words, scores.masks[0].detail), scores.masks[0].detail
    # What it did does not spoil the next call of another kind.
    assert call(one).values == [None, None]


def test_single_samples_are_masked_alone(process):
    scores = call(process(body("return [1.0, None, math.nan]")), ("a", "b", "c"))
    assert scores.values == [1.0, None, None]
    assert sorted((mask.reason, mask.count) for mask in scores.masks) == [("nan", 1), ("none", 1)]


def test_sleeping_for_ever_ends_at_the_timeout_and_the_next_call_works(process):
    source = (
        "import time\ndef reward(completions, **k):\n"
        "    time.sleep(99 if completions[0] == 'hang' else 0)\n    return [1]*len(completions)\n"
    )
    one = process(source, timeout=1.5)
    began = time.monotonic()
    scores = call(one, ("hang",))
    assert time.monotonic() - began < 4 and scores.masks[0].reason == "timeout"
    assert call(one, ("fine",)).values == [1.0]


def test_memory_that_the_limit_does_not_see_is_seen_by_the_watchdog(process, monkeypatch):
    one = process(body("time.sleep(1); return [1, 1]"))
    monkeypatch.setattr("anneal_trainer.reward_process._resident_bytes", lambda pid: 10**12)
    assert call(one).masks[0].reason == "memory"


def test_miles_scores_sample_by_sample(process):
    source = (
        "async def reward(args, sample, **kwargs):\n"
        "    if sample.response == 'bad': raise KeyError('x')\n"
        "    return float(sample.response == sample.label)\n"
    )
    scores = call(process(source, "miles"), ("7", "8", "bad"), label=["7", "7", "7"])
    assert scores.values == [1.0, 0.0, None] and scores.masks[0].count == 1


def test_a_testing_function_is_called_by_its_name_for_one_sample_after_the_other(process):
    source = (
        "def a_helper(text): return {'right': True, 'none': None, 'text': '1'}[text]\n"
        "async def fn(input_text, expected_output, predicted_output): return a_helper(predicted_output)\n"
    )
    words = ("right", "none", "text", "bad", "right")
    scores = process(source, "test").call_test("1", [("in", "out", word) for word in words])
    assert scores.values == [1.0, None, None, None, 1.0] and not scores.is_broken
    assert {mask.reason: mask.detail for mask in scores.masks} == {
        "none": "returned None",
        "wrong_type": "returned str, not a number",
        "exception": "KeyError: 'bad' (line 1)",
    }
    ended = process("import os\ndef fn(i, e, p): os._exit(1)\n", "test").call_test("1", [("in", "out", "right")] * 2)
    assert ended.values == [None, None] and ended.is_broken
    with pytest.raises(TrainerFailure, match="testing function fn could not be loaded.*defines no function `fn`"):
        process("def other(i, e, p): return 1\n", "test")


def test_environment_is_clean_and_descriptors_are_closed(process, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    source = (
        "import os\ndef is_open(fd):\n    try: os.fstat(fd)\n    except OSError: return False\n    return True\n"
        "def reward(completions, **k):\n"
        "    return [float('secret' in str(os.environ)), float(sum(map(is_open, range(64))))]\n"
    )
    secret, descriptors = call(process(source)).values
    assert secret == 0.0
    # Nowhere, output twice, requests, answers, and at most two folders of libraries.
    assert descriptors <= 7


def test_random_numbers_follow_the_seed(process):
    one = process("import random\ndef reward(completions, **k):\n    return [random.random() for _ in completions]\n")
    first, second, other = call(one, seed="1:2:0"), call(one, seed="1:2:0"), call(one, seed="1:3:0")
    assert first.values == second.values != other.values


def test_output_is_cut(process, capfd):
    one = process(body("print('x' * 100_000); return [1, 2]"), output=1000)
    assert call(one).values == [1.0, 2.0]
    one.close()
    deadline = time.monotonic() + 5
    seen = ""
    while "cut at 1000 bytes" not in seen and time.monotonic() < deadline:
        seen += capfd.readouterr().out
    assert seen.count("x") == 1000


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def reward(:\n", r"SyntaxError.*line 1"),
        ("import nowhere_to_be_found\n", r"ModuleNotFoundError.*line 1"),
        ("x = 1\n", "no function `reward`"),
        ("raise SystemExit\n", "SystemExit"),
        ("import time\ntime.sleep(99)\n", "longer than 1 s"),
    ],
)
def test_a_file_that_does_not_load_is_user_code(process, source, words):
    one = process(source, timeout=1, load=False)
    with pytest.raises(TrainerFailure, match=words) as caught:
        one.wait_loaded()
    assert caught.value.reason == "user_code"


@dataclass
class State:
    global_step: int = 0


@pytest.fixture
def rewards(tmp_path):
    made = []

    def make(*sources):
        functions = []
        for index, source in enumerate(sources):
            path = tmp_path / f"r{index}.py"
            path.write_text(source)
            functions.append(RewardFunction(f"rf_{index}", f"fn{index}", str(path), "trl", 1.0))
        with open(os.devnull, "wb") as nowhere:
            report = Reporter(os.dup(nowhere.fileno()))
        made.append(Rewards(functions, [GrpoRow("p", {"label": "L"})], UserCode(5, 512 * MiB, 1000), 1, report))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_label_is_answer_too_and_names_are_told_apart(rewards):
    source = "def reward(completions, answer=None, **k):\n    return [float(a == 'L') for a in answer]\n"
    functions = rewards(source, source).callables()
    assert [function.__name__ for function in functions] == ["fn0", "fn1"]
    assert functions[0](
        prompts=["p"], completions=["c"], completion_ids=[[1]], trainer_state=State(), anneal_row=[0]
    ) == [1.0]


def test_three_batches_without_a_score_fail_and_two_do_not(rewards):
    one = rewards("def reward(completions, **k):\n    return []\n")
    [function] = one.callables()
    function(prompts=["p"], completions=["c"], completion_ids=[[1]], trainer_state=State(), anneal_row=[0])
    for masked in (4, 4, 3, 4, 4):
        one.count_batch(masked, 4)
    with pytest.raises(TrainerFailure, match="wrong_length: returned 0 scores for 1") as caught:
        one.count_batch(4, 4)
    assert caught.value.reason == "reward_failure"


def test_a_job_without_a_scored_batch_fails_at_its_end(rewards):
    one = rewards("def reward(completions, **k):\n    return []\n")
    one.count_batch(2, 2)
    with pytest.raises(TrainerFailure, match="no batch had a score"):
        one.check_end()
    one.count_batch(1, 2)
    one.check_end()
