"""Rows with something to predict: what they may look like, how labels are read from them, and what is drawn of them."""

import json
import os

import pytest
from trainer_process import classification_config

from anneal_trainer.config import Rebalance, load
from anneal_trainer.failures import TrainerFailure
from anneal_trainer.labelled_rows import LabelledRow, PairRow, ScoredRow, labelled_rows, pair_rows, scored_rows
from anneal_trainer.labels import Labels
from anneal_trainer.preparation import divide, downsample, rebalance, split_off
from anneal_trainer.report import Reporter


def file(folder, content):
    path = folder / "data"
    path.write_text(content if isinstance(content, str) else "".join(json.dumps(row) + "\n" for row in content))
    return str(path)


@pytest.mark.parametrize(
    ("content", "format", "labels"),
    [
        ([{"text": "t", "label": "x"}], "text_label", {"x": True}),
        ([{"text": "t", "label": 3}], "text_label", {"3": True}),
        ([{"text": "t", "label": 3.0}], "text_label", {"3": True}),
        ([{"text": "t", "label": True}], "text_label", {"true": True}),
        ([{"text": "t", "labels": ["x", "y", "x"]}], "text_label", {"x": True, "y": True}),
        ([{"text": "t", "labels": []}], "text_label", {}),
        ([{"text": "t", "label": "\U0001f600"}], "text_label", {"\U0001f600": True}),
        ([{"prompt": "t", "completion": {"x": 1, "y": 0}}], "text_label", {"x": True, "y": False}),
        ([{"prompt": "t", "completion": "x"}], "prompt_completion", {"x": True}),
        ("text,label\nt,x\n", "text_label", {"x": True}),
        ("text,category\nt,x\n", "text_label", {"x": True}),
        ('input,expected_output\nt,"x, y"\n', "prompt_completion", {"x, y": True}),
        ("prompt,completion\nt,x\n", "prompt_completion", {"x": True}),
    ],
)
def test_labels_come_in_many_ways(tmp_path, content, format, labels):
    assert labelled_rows(file(tmp_path, content), format) == [LabelledRow("t", labels)]


@pytest.mark.parametrize(
    ("content", "format"),
    [
        ([{"text": "t", "score": 0.5}], "text_score"),
        ([{"prompt": "t", "completion": 0.5}], "text_score"),
        ([{"prompt": "t", "completion": " 5e-1 "}], "prompt_completion"),
        ("text,score\nt,0.5\n", "text_score"),
        ("input,expected_output\nt,.5\n", "prompt_completion"),
    ],
)
def test_scores_come_in_many_ways(tmp_path, content, format):
    assert scored_rows(file(tmp_path, content), format) == [ScoredRow("t", 0.5)]


def test_pairs(tmp_path):
    expected = [PairRow("s", "t", 1.0)]
    assert pair_rows(file(tmp_path, [{"text1": "s", "text2": "t", "score": 1}]), "text_pair_score") == expected
    assert pair_rows(file(tmp_path, "score,text2,text1\n1,t,s\n"), "text_pair_score") == expected


@pytest.mark.parametrize(
    ("read", "content", "format", "words"),
    [
        (labelled_rows, [{"text": "t", "label": "x"}, {"text": "t", "label": ""}], "text_label", "line 2 has no label"),
        (labelled_rows, [{"text": "t", "label": None}], "text_label", "line 1 has no label"),
        (labelled_rows, [{"text": "t"}], "text_label", "line 1 has no label"),
        (labelled_rows, [{"prompt": "t", "completion": {"x": 2}}], "text_label", "'x' in its completion neither"),
        (labelled_rows, [{"prompt": "t", "completion": {}}], "text_label", "no label in its completion"),
        (labelled_rows, [{"prompt": [], "completion": "x"}], "prompt_completion", "line 1 has no prompt that is text"),
        (labelled_rows, "text,label\nt,x\nt\n", "text_label", "line 3 has not 2 fields"),
        (labelled_rows, "text,score\nt,1\n", "text_label", "header has no label"),
        (labelled_rows, [{"text": "t"}], "text", "classification needs rows"),
        (scored_rows, [{"text": "t", "score": True}], "text_score", "line 1 has no score that is a number"),
        (scored_rows, [{"text": "t", "score": "nan"}], "text_score", "line 1 has no score that is a number"),
        (scored_rows, "input,expected_output\nt,1_000\n", "prompt_completion", "no completion that is a number"),
        (
            labelled_rows,
            '{"text": "a", "label": "x"}\n{"text": "\\ud83d", "label": "y"}',
            "text_label",
            "line 2 has half of",
        ),
        (pair_rows, [{"text1": "s", "score": 1}], "text_pair_score", "line 1 has no text2"),
    ],
)
def test_bad_rows_name_their_line(tmp_path, read, content, format, words):
    with pytest.raises(TrainerFailure, match=words):
        read(file(tmp_path, content), format)


def rows_of(*labels):
    return [LabelledRow(str(at), dict(one) if isinstance(one, dict) else {one: True}) for at, one in enumerate(labels)]


def test_the_kind_of_labels_is_what_all_rows_show():
    assert Labels.of(rows_of("b", "a", "b")) == Labels("multiclass", ["a", "b"])
    assert Labels.of(rows_of({"x": True}, {"x": False})) == Labels("binary", ["x"])
    assert Labels.of(rows_of({"x": True}, {})) == Labels("binary", ["x"])
    both = rows_of({"x": True, "y": True}, {"x": False, "y": True})
    assert Labels.of(both) == Labels("multilabel", ["x", "y"])
    with pytest.raises(TrainerFailure, match="Every row has the label 'x'"):
        Labels.of(rows_of("x", "x"))


def test_labels_as_targets_and_as_text():
    some = Labels("multiclass", ["a", "b"])
    row = LabelledRow("t", {"b": True})
    assert some.target(row) == 1 and some.of_row(row) == "b"
    assert some.expected(row) == "{'a': 0.0, 'b': 1.0}"
    assert some.predicted([0.25, 1e-9 / 3]) == "{'a': 0.25, 'b': 3.33333e-10}"
    # Of another dataset: a label that the model has no output for.
    foreign = LabelledRow("t", {"z": True})
    assert not some.knows(foreign) and some.expected(foreign) == "{'a': 0.0, 'b': 0.0, 'z': 1.0}"
    binary = Labels("binary", ["x"])
    assert binary.target(LabelledRow("t", {"x": False})) == [0.0]
    assert binary.of_row(LabelledRow("t", {"x": False})) == "negative"
    assert Labels("multilabel", ["x", "y"]).target(LabelledRow("t", {"y": True})) == [0.0, 1.0]


def test_splits_and_samples_are_drawn_with_the_seed():
    rows = list(range(100))
    rest, test = split_off(rows, 20, 7)
    assert len(test) == 20 and sorted(rest + test) == rows and rest == sorted(rest) and test == sorted(test)
    assert (rest, test) == split_off(rows, 20, 7) != split_off(rows, 20, 8)
    assert [len(part) for part in split_off([1, 2, 3], 0.1, 1)] == [2, 1]
    assert [len(part) for part in split_off([1, 2, 3], 99.9, 1)] == [1, 2]
    with pytest.raises(TrainerFailure, match="one row"):
        split_off([1], 50, 1)
    tenth = downsample(rows, 10, 7)
    assert len(tenth) == 10 and tenth == sorted(set(tenth)) and tenth == downsample(rows, 10, 7)
    assert downsample([1, 2], 0.1, 1) in ([1], [2])


def counts_of(rows):
    return {label: rows.count(label) for label in sorted(set(rows))}


def test_rebalancing_by_count_and_by_ratio():
    rows = ["a"] * 8 + ["b"] * 4 + ["c"] * 2
    made, told = rebalance(rows, str, Rebalance("count", {"a": 3, "b": 9}), 1)
    # A label that is not named keeps its rows.
    assert counts_of(made) == {"a": 3, "b": 9, "c": 2} and told["b"] == (4, 9)
    made, _ = rebalance(rows, str, Rebalance("ratio", {"a": 1 / 3, "b": 2 / 3}), 1)
    # Of the present total; a label that is not named has none.
    assert len(made) == len(rows) and counts_of(made) == {"a": 5, "b": 9}
    made, _ = rebalance(list(enumerate(rows)), lambda row: row[1], Rebalance("count", {"b": 7}), 1)
    # Growing keeps each row once at least.
    assert {(8, "b"), (9, "b"), (10, "b"), (11, "b")} <= set(made)
    assert made == rebalance(list(enumerate(rows)), lambda row: row[1], Rebalance("count", {"b": 7}), 1)[0]
    with pytest.raises(TrainerFailure, match="wants 2 rows of 'z'"):
        rebalance(rows, str, Rebalance("count", {"z": 2}), 1)
    with pytest.raises(TrainerFailure, match="leaves no row"):
        rebalance(["a"], str, Rebalance("count", {"a": 0}), 1)


def test_a_job_divides_its_rows_in_order_and_says_so(tmp_path):
    test = {"dataset": None, "split_percent": 25, "functions": [], "checkpoints": [], "is_trained": False}
    evaluation = {"dataset": None, "split_percent": 20, "every_steps": None}
    value = classification_config(tmp_path, test=test, downsample_percent=50, eval=evaluation)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(value))
    reading, writing = os.pipe()
    divided = divide(load(str(path)), lambda dataset: list(range(40)), Reporter(writing))
    os.close(writing)
    with os.fdopen(reading) as lines:
        told = [json.loads(line)["message"] for line in lines]
    assert [len(part) for part in (divided.all, divided.train, divided.evaluate, divided.test)] == [40, 12, 3, 10]
    assert len({*divided.train, *divided.evaluate, *divided.test}) == 25
    assert told == [
        "Took 10 of 40 rows out of the training data to test on",
        "Kept 15 of 30 rows to train on (downsample_percent)",
        "Held back 3 of 15 rows for evaluation",
    ]
