"""How well the methods learn with a real pretrained model and real data: `npm run check:accuracy`, which takes minutes.

ANNEAL_MINILM is the folder of a MiniLM; the data is that of ANNEAL_SHARED_DIR. Figures are printed.
"""

import ast
import csv
import json
import math
import os
import random
import time
from pathlib import Path

import pytest
from in_process import checkpoints, run_here
from test_row_methods import job_of, on_own_rows
from trainer_process import row_config

from anneal_trainer.classification import Classification
from anneal_trainer.embedding import Embedding
from anneal_trainer.regression import Regression

MINILM = os.environ.get("ANNEAL_MINILM", "")
SHARED = Path(os.environ.get("ANNEAL_SHARED_DIR", Path(__file__).resolve().parents[4] / "shared")) / "data"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not MINILM, reason="ANNEAL_MINILM names no model"),
    pytest.mark.skipif(not (SHARED / "banking77-train.csv").exists(), reason="no shared data: banking77-train.csv"),
]


def banking(name):
    with open(SHARED / f"banking77-{name}.csv", encoding="utf-8", newline="") as file:
        return [(row["text"], row["category"]) for row in csv.DictReader(file)]


def trained(folder, method, rows, format, tested, method_class, **h):
    """Train on `rows`: the job, each checkpoint's predictions for `tested` in the order of steps, and the seconds."""
    config = row_config(folder, method, rows, format, base_model={"kind": "path", "path": MINILM}, h=h)
    config["torch_threads"] = None
    path = folder / "test.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in tested))
    config = on_own_rows(config)
    config["test"]["dataset"] = {"path": str(path), "format": format}
    started = time.monotonic()
    lines = run_here(folder, config)
    seconds = time.monotonic() - started
    tables = [Path(line["dir"], "results.jsonl") for _, line in sorted(checkpoints(lines, "test").items())]
    job = job_of(method_class, folder)
    job.base_folder = MINILM
    return job, [[json.loads(row)["output"] for row in table.read_text().splitlines()] for table in tables], seconds


def test_classification_of_bank_customers_questions(tmp_path):
    def rows(name):
        return [{"text": text, "label": label} for text, label in banking(name)]

    h = {"max_steps": None, "num_epochs": 4, "learning_rate": 3e-4, "batch_size": 16, "global_batch_size": 16}
    h |= {"max_seq_length": 32, "warmup_ratio": 0.1, "eval_batch_size": 64}
    job, outputs, seconds = trained(
        tmp_path, "classification", rows("train"), "text_label", rows("test"), Classification, **h
    )
    accuracies = []
    for texts in outputs:
        shares = map(ast.literal_eval, texts)
        right = [row.labels.get(max(of, key=of.get), False) for of, row in zip(shares, job.rows_to_test, strict=True)]
        accuracies.append(sum(right) / len(right))
    told = ", ".join(f"{accuracy:.4f}" for accuracy in accuracies)
    print(f"\nclassification: {told} of {len(job.rows_to_test)} right by epoch, in {seconds:.0f} s")
    assert accuracies[-1] >= 0.9


def pairs(name, count):
    """Half of the same intent, half of two; drawn with a seed."""
    rng = random.Random(7)
    by_label = {}
    for text, label in banking(name):
        by_label.setdefault(label, []).append(text)
    labels = sorted(by_label)
    made = []
    for at in range(count):
        one, other = rng.sample(labels, 2)
        texts = rng.sample(by_label[one], 2) if at % 2 else [rng.choice(by_label[one]), rng.choice(by_label[other])]
        made.append({"text1": texts[0], "text2": texts[1], "score": float(at % 2)})
    return made


def ranks(values):
    """Average ranks, ties sharing one."""
    order = sorted(range(len(values)), key=values.__getitem__)
    found = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for at in order[start : end + 1]:
            found[at] = (start + end) / 2
        start = end + 1
    return found


def spearman(first, second):
    one, other = ranks(first), ranks(second)
    mean = (len(one) - 1) / 2
    covariance = sum((a - mean) * (b - mean) for a, b in zip(one, other, strict=True))
    return covariance / math.sqrt(sum((a - mean) ** 2 for a in one) * sum((b - mean) ** 2 for b in other))


def test_embedding_of_questions_with_the_same_intent(tmp_path):
    h = {"max_steps": None, "num_epochs": 1, "learning_rate": 1e-4, "batch_size": 16, "global_batch_size": 16}
    h |= {"max_seq_length": 32, "warmup_ratio": 0.1, "eval_batch_size": 64}
    job, outputs, seconds = trained(
        tmp_path, "embedding", pairs("train", 3000), "text_pair_score", pairs("test", 2000), Embedding, **h
    )
    scores = [row.score for row in job.rows_to_test]
    untrained = job.predict(MINILM, job.test_rows(), lambda: None)
    before, after = (spearman(list(map(float, texts)), scores) for texts in (untrained, outputs[-1]))
    print(f"\nembedding: Spearman {before:.4f} before, {after:.4f} after, in {seconds:.0f} s")
    assert after > before + 0.01


def questions(name, count):
    """A maths problem, and the logarithm of its answer, from 0 to about 1."""
    made = []
    for line in (SHARED / f"gsm8k-{name}.jsonl").read_text(encoding="utf-8").splitlines()[:count]:
        row = json.loads(line)
        number = abs(float(row["answer"].split("####")[1].replace(",", "")))
        made.append({"prompt": row["question"], "completion": min(1.0, math.log10(1 + number) / 4)})
    return made


def test_regression_of_the_size_of_an_answer(tmp_path):
    h = {"max_steps": None, "num_epochs": 2, "learning_rate": 2e-4, "batch_size": 16, "global_batch_size": 16}
    h |= {"max_seq_length": 96, "warmup_ratio": 0.1, "eval_batch_size": 64}
    job, outputs, seconds = trained(
        tmp_path, "regression", questions("train", 1500), "text_score", questions("test", 600), Regression, **h
    )
    mean = sum(row.score for row in job.rows) / len(job.rows)
    scores = [row.score for row in job.rows_to_test]
    made = list(map(float, outputs[-1]))
    error = sum((a - b) ** 2 for a, b in zip(made, scores, strict=True)) / len(scores)
    of_mean = sum((mean - b) ** 2 for b in scores) / len(scores)
    print(f"\nregression: squared error {error:.5f}, the mean's {of_mean:.5f}, in {seconds:.0f} s")
    assert error < 0.9 * of_mean
