"""What evaluations tell beside the loss, and when: against the libraries' own numbers on the final model's answers."""

import ast
import json
import math

import pytest
from in_process import checkpoints, losses, run_here
from sklearn import metrics
from trainer_process import classification_config, embedding_config, regression_config, sft_config, weights

from anneal_trainer import eval_metrics

EVERY_STEP = 1e-9
LABEL_METRICS = [
    *("loss", "accuracy", "precision", "recall", "f1", "precision_micro", "recall_micro", "f1_micro"),
    *("precision_weighted", "recall_weighted", "f1_weighted", "matthews_correlation", "roc_auc"),
]
NUMBER_METRICS = ["loss", "mse", "rmse", "mae", "r2", "pearson", "spearman"]


def told(lines):
    return {line["step"]: line["values"] for line in lines if line["type"] == "metrics" and line["kind"] == "eval"}


def answered(tmp_path, config, names):
    """What the last evaluation tells of the config's own rows, and what a test then finds predicted for them."""
    rows = config["dataset"]
    plan = {"dataset": rows, "split_percent": None, "every_steps": 6, "metrics": names}
    test = {"dataset": rows, "split_percent": None, "functions": [], "checkpoints": [], "is_trained": False}
    lines = run_here(tmp_path, {**config, "eval": plan, "test": test})
    values = told(lines)[12]
    [results] = [line["dir"] for line in lines if line["type"] == "checkpoint" and line["kind"] == "test"]
    with open(f"{results}/results.jsonl") as file:
        found = [json.loads(line) for line in file]
    pairs = [(ast.literal_eval(row["expected_output"]), ast.literal_eval(row["output"])) for row in found]
    return values, [of for of, _ in pairs], [by for _, by in pairs]


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_classification_tells_what_scikit_learn_says(tmp_path, kind):
    config = classification_config(tmp_path, kind, h={"max_steps": 12, "batch_size": 4, "learning_rate": 0.002})
    values, truth, predicted = answered(tmp_path, config, LABEL_METRICS)
    assert values.keys() == {*LABEL_METRICS, "epoch"} and values["epoch"] == 12 / math.ceil(len(truth) / 8)
    of, by = ([list(row.values()) for row in rows] for rows in (truth, predicted))
    if kind == "multiclass":
        of = [row.index(1.0) for row in of]
        chosen, average, scores = [row.index(max(row)) for row in by], "macro", {"multi_class": "ovr"}
        correlation = metrics.matthews_corrcoef(of, chosen)
    elif kind == "binary":
        of, by = [row[0] for row in of], [row[0] for row in by]
        chosen, average, scores = [float(share > 0.5) for share in by], "binary", {}
        correlation = metrics.matthews_corrcoef(of, chosen)
    else:
        chosen, average, scores = [[float(share > 0.5) for share in row] for row in by], "macro", {}
        each = zip(zip(*of, strict=True), zip(*chosen, strict=True), strict=True)
        correlation = sum(metrics.matthews_corrcoef(list(a), list(b)) for a, b in each) / len(of[0])
    expected = {"accuracy": metrics.accuracy_score(of, chosen), "matthews_correlation": correlation}
    for suffix, how in (("", average), ("_micro", "micro"), ("_weighted", "weighted")):
        triple = metrics.precision_recall_fscore_support(of, chosen, average=how, zero_division=0)
        expected |= dict(zip((f"precision{suffix}", f"recall{suffix}", f"f1{suffix}"), triple, strict=False))
    assert {name: values[name] for name in expected} == pytest.approx(expected)
    assert values["roc_auc"] == pytest.approx(metrics.roc_auc_score(of, by, **scores), abs=0.02)


@pytest.mark.parametrize("make", [regression_config, embedding_config], ids=["regression", "embedding"])
def test_numbers_and_similarities_are_compared_with_what_they_should_be(tmp_path, make):
    from scipy.stats import pearsonr, spearmanr

    names = [*NUMBER_METRICS] if make is regression_config else ["loss", "pearson", "spearman", "mse"]
    values, truth, predicted = answered(tmp_path, make(tmp_path, h={"max_steps": 12, "batch_size": 4}), names)
    assert values.keys() == {*names, "epoch"}
    expected = {
        "mse": metrics.mean_squared_error(truth, predicted),
        "rmse": metrics.root_mean_squared_error(truth, predicted),
        "mae": metrics.mean_absolute_error(truth, predicted),
        "r2": metrics.r2_score(truth, predicted),
        "pearson": pearsonr(truth, predicted).statistic,
        "spearman": spearmanr(truth, predicted).statistic,
    }
    assert {name: values[name] for name in names[1:]} == pytest.approx({n: expected[n] for n in names[1:]}, abs=1e-3)
    assert values["loss"] == pytest.approx(values["mse"], rel=0.1)


def test_a_language_model_tells_its_perplexity_also_with_a_dynamic_loss(tmp_path):
    plan = {"dataset": None, "split_percent": 50, "every_steps": 2, "metrics": ["loss", "perplexity", "token_accuracy"]}
    h = {"max_steps": 2, "batch_size": 8, "global_batch_size": 8, "learning_rate": 1e-9}
    plain, dynamic = (
        told(run_here(tmp_path, sft_config(tmp_path, eval=plan, h={**h, "dynamic_loss": is_dynamic})))[2]
        for is_dynamic in (False, True)
    )
    assert plain.keys() == {"loss", "perplexity", "token_accuracy", "epoch"} and plain["epoch"] == 2
    assert plain["perplexity"] == pytest.approx(math.exp(plain["loss"])) and 0 <= plain["token_accuracy"] <= 1
    # Hardly anything is learnt in either, and what is evaluated is the same.
    assert dynamic == pytest.approx(plain, rel=1e-3)


def test_what_has_no_value_is_left_out():
    import numpy

    class Evaluated:
        predictions, label_ids = numpy.array([[1.0, 2.0], [0.0, 1.0]]), numpy.array([1, 1])

    values = eval_metrics.classification_metrics("multiclass", ["accuracy", "roc_auc"])(Evaluated)
    assert values["accuracy"] == 1.0 and math.isnan(values["roc_auc"])
    logged = {"eval_loss": 1000.0, "eval_runtime": 1.0, "epoch": 1.0}
    assert eval_metrics.told(logged, ["perplexity"], 1.0) == {"perplexity": math.inf, "epoch": 1.0}
    assert eval_metrics.told(logged, None, 1.0) == {"eval_loss": 1000.0}


@pytest.mark.parametrize("make", [sft_config, classification_config, regression_config, embedding_config])
def test_evaluations_come_in_time_and_change_nothing(tmp_path, make):
    plain = make(tmp_path, h={"max_steps": None, "num_epochs": 3}, resume_interval_seconds=EVERY_STEP)
    plan = {"dataset": plain["dataset"], "split_percent": None, "every_steps": None, "every_epochs": 2}
    plan |= {"at_start": True, "metrics": ["loss"]}
    config = {**plain, "eval": plan, "output_dir": str(tmp_path / "evaluated")}
    lines = run_here(tmp_path / "1", config)
    last = lines[-1]["step"]
    an_epoch = last // 3
    assert [line["type"] for line in lines[:3]] == ["started", "metrics", "metrics"]
    values = told(lines)
    assert {step: values[step]["epoch"] for step in values} == {0: 0, 2 * an_epoch: 2, last: 3}
    assert all(line.keys() == {"loss", "epoch"} for line in values.values())
    unevaluated = run_here(tmp_path / "2", plain)
    assert losses(unevaluated) == losses(lines)
    final = checkpoints(lines, "final")[last]["dir"]
    assert weights(checkpoints(unevaluated, "final")[last]["dir"]) == weights(final)
    # One that goes on is not at its start.
    at = 2 * an_epoch + 1
    saved = checkpoints(lines, "resume")[at]["dir"]
    resumed = run_here(tmp_path / "3", {**config, "resume_from": saved, "output_dir": str(tmp_path / "resumed")})
    assert told(resumed) == {step: values[step] for step in values if step > at}
    assert weights(checkpoints(resumed, "final")[last]["dir"]) == weights(final)


def test_what_the_base_is_worth_is_nothing_to_stop_for(tmp_path):
    plan = {"dataset": None, "split_percent": 25, "every_steps": 2, "at_start": True}
    stop = {"metric": "eval_loss", "patience": 1, "min_delta": 1000}
    lines = run_here(tmp_path, sft_config(tmp_path, eval=plan, early_stop=stop))
    assert sorted(told(lines)) == [0, 2, 4] and "eval_loss" in told(lines)[0]
    assert lines[-1] == {"type": "finished", "step": 4, "early_stopped": True, "best_step": 2}
