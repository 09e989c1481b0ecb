"""Classification, regression and embedding on the tiny models: losses, checkpoints, predictions, options."""

import ast
import json
import math
import os
from pathlib import Path

import pytest
from in_process import checkpoints, losses, run_here
from trainer_process import (
    TINY,
    classification_config,
    embedding_config,
    planned,
    regression_config,
    sft_config,
    weights,
)

from anneal_trainer import config as configs
from anneal_trainer.classification import Classification, loss_of
from anneal_trainer.embedding import Embedding
from anneal_trainer.failures import TrainerFailure
from anneal_trainer.regression import Regression
from anneal_trainer.report import Reporter

LONG = {"max_steps": 40, "learning_rate": 0.002}


def job_of(method, folder):
    """The method's object over the config that was run in `folder`, with its rows read."""
    config = configs.load(str(folder / "config.json"))
    job = method(config, Reporter(os.open(os.devnull, os.O_WRONLY)))
    job.read()
    job.base_folder = str(folder / "out" / "base-0")
    return job


def predictions(job, folder):
    calls = []
    made = job.predict(folder, job.test_rows(), lambda: calls.append(1))
    assert len(made) == len(job.test_rows()) and calls
    return made


def on_own_rows(config):
    """The config with its own rows as those to test."""
    test = {"dataset": config["dataset"], "split_percent": None, "functions": [], "checkpoints": []}
    return {**config, "test": {**test, "is_trained": False}}


def falls(lines):
    told = [values["loss"] for _, values in sorted(losses(lines).items())]
    tenth = max(1, len(told) // 10)
    return sum(told[-tenth:]) < 0.7 * sum(told[:tenth])


@pytest.mark.parametrize("base", ["bert", "llama"])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_a_classifier_learns_its_labels_and_its_checkpoint_knows_them(tmp_path, kind, base):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    changes = {"base_model": TINY} if base == "llama" else {}
    config = on_own_rows(classification_config(tmp_path, kind, h=LONG, **changes))
    lines = run_here(tmp_path, config)
    assert lines[0]["total_steps"] == 40 and lines[-1] == {"type": "finished", "step": 40} and falls(lines)
    final = checkpoints(lines, "final")[40]["dir"]
    job = job_of(Classification, tmp_path)
    model = AutoModelForSequenceClassification.from_pretrained(final).eval()
    names = {"binary": ["has_a"], "multiclass": ["a", "b", "c"], "multilabel": ["a", "b"]}[kind]
    assert [model.config.id2label[at] for at in range(len(names))] == names == job.labels.names
    is_one = kind == "multiclass"
    assert model.config.problem_type == ("single_label" if is_one else "multi_label") + "_classification"
    made = [ast.literal_eval(text) for text in predictions(job, final)]
    expected = [ast.literal_eval(row.expected) for row in job.test_rows()]
    right = sum(
        max(p, key=p.get) == max(e, key=e.get) if is_one else all((p[n] > 0.5) == (e[n] == 1.0) for n in names)
        for p, e in zip(made, expected, strict=True)
    )
    assert right / len(made) >= 0.8
    # What the library says of one text alone is what was said of it in a padded batch.
    tokens = AutoTokenizer.from_pretrained(final)(job.test_rows()[3].input, return_tensors="pt")
    logits = model(**tokens).logits[0]
    alone = (logits.softmax(-1) if is_one else logits.sigmoid()).tolist()
    assert list(made[3].values()) == pytest.approx(alone, abs=1e-4)
    assert math.isclose(sum(made[3].values()), 1, abs_tol=1e-4) or not is_one


def test_a_regression_learns_its_numbers(tmp_path):
    config = on_own_rows(regression_config(tmp_path, h={**LONG, "max_steps": 80}))
    lines = run_here(tmp_path, config)
    assert falls(lines)
    job = job_of(Regression, tmp_path)
    final = checkpoints(lines, "final")[80]["dir"]
    wrong = [abs(float(text) - row.score) for text, row in zip(predictions(job, final), job.rows, strict=True)]
    mean = sum(row.score for row in job.rows) / len(job.rows)
    assert sum(wrong) < 0.5 * sum(abs(row.score - mean) for row in job.rows)
    assert [row.expected for row in job.test_rows()][:3] == ["0", "0.08333333", "0.1666667"]
    assert json.loads((Path(final) / "config.json").read_text())["problem_type"] == "regression"


@pytest.mark.parametrize("base", ["bert", "llama"])
def test_an_embedding_brings_alike_texts_together_and_loads_as_its_library_does(tmp_path, base):
    from sentence_transformers import SentenceTransformer

    changes = {"base_model": TINY} if base == "llama" else {}
    lines = run_here(tmp_path, on_own_rows(embedding_config(tmp_path, h=LONG, **changes)))
    assert falls(lines)
    job = job_of(Embedding, tmp_path)
    final = checkpoints(lines, "final")[40]["dir"]
    made = list(map(float, predictions(job, final)))
    alike = [value for value, row in zip(made, job.rows, strict=True) if row.score == 1.0]
    others = [value for value, row in zip(made, job.rows, strict=True) if row.score == 0.0]
    assert min(alike) > max(others)
    row = job.test_rows()[2]
    assert row.input == "aaaaa\nc c" and row.asked == ("aaaaa", "c c") and row.expected == "0"
    encoder = SentenceTransformer(final, device="cpu")
    first, second = encoder.encode(list(row.asked), convert_to_tensor=True)
    assert made[2] == pytest.approx(float(encoder.similarity(first, second)), abs=1e-4)
    assert encoder[1].pooling_mode == "mean" and encoder.max_seq_length == 32
    # A job that builds on it takes its pooling as it is.
    again = tmp_path / "again"
    again.mkdir()
    config = embedding_config(again, base_model={"kind": "path", "path": final}, h={"max_steps": 2})
    assert losses(run_here(again, config))[1]["loss"] < losses(lines)[1]["loss"]


def test_an_adapter_of_an_embedding_is_all_that_is_trained(tmp_path):
    import torch
    from safetensors.torch import load_file
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense

    from anneal_trainer.sentence_model import SentenceKind
    from anneal_trainer.tiny_models import make_tiny_bert

    make_tiny_bert(str(tmp_path / "bert"))
    encoder = SentenceKind(32).load(str(tmp_path / "bert"), torch.float32)
    base = tmp_path / "base"
    SentenceTransformer(modules=[*encoder, Dense(96, 8)], device="cpu").save_pretrained(str(base))
    changes = {"base_model": {"kind": "path", "path": str(base)}, "resume_interval_seconds": 0.0001}
    lines = run_here(tmp_path, embedding_config(tmp_path, h={"lora_rank": 4, "max_steps": 4}, **changes))
    saved = checkpoints(lines, "final")[4]["dir"]
    first, last = (load_file(Path(folder) / "2_Dense" / "model.safetensors") for folder in (base, saved))
    assert all(torch.equal(first[name], last[name]) for name in first)
    # The layer behind the transformer is in no adapter: what was learnt of it would be lost.
    for resume in checkpoints(lines, "resume").values():
        assert all("lora_" in name for name in load_file(Path(resume["dir"]) / "trained.safetensors"))


def test_a_model_with_code_of_its_own_is_refused(tmp_path):
    from anneal_trainer.tiny_models import make_tiny_bert

    base = tmp_path / "base"
    make_tiny_bert(str(base))
    (base / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": "", "type": "theirs.Module"}]))
    (base / "theirs.py").write_text("raise SystemExit('their code has run')\n")
    with pytest.raises(TrainerFailure, match="needs code of its own: theirs.Module"):
        run_here(tmp_path, embedding_config(tmp_path, base_model={"kind": "path", "path": str(base)}))


@pytest.mark.parametrize(
    ("make", "method"),
    [(classification_config, Classification), (regression_config, Regression), (embedding_config, Embedding)],
)
def test_lora_leaves_an_adapter_and_a_merged_model_that_say_the_same(tmp_path, make, method):
    from anneal_trainer.models import restore

    h = {"lora_rank": 4, "lora_alpha": 8, "lora_dropout": 0.1, "max_steps": 6, "learning_rate": 0.01}
    lines = run_here(tmp_path, on_own_rows(make(tmp_path, base_model=TINY, h=h)))
    saved = checkpoints(lines, "final")[6]
    names = os.listdir(saved["adapter_dir"])
    assert "adapter_model.safetensors" in names and "README.md" not in names
    adapter = json.loads((Path(saved["adapter_dir"]) / "adapter_config.json").read_text())
    assert adapter["r"] == 4 and adapter["base_model_name_or_path"] == "anneal/tiny-llama"
    job = job_of(method, tmp_path)
    merged = predictions(job, saved["dir"])
    # As a hub's base has it: the adapter is all that a checkpoint holds.
    assert restore(job.kind, saved["adapter_dir"], job.base_folder) is not None
    alone = predictions(job, saved["adapter_dir"])

    def numbers(text):
        value = ast.literal_eval(text)
        return list(value.values()) if isinstance(value, dict) else [value]

    for one, other in zip(merged, alone, strict=True):
        assert numbers(one) == pytest.approx(numbers(other), abs=1e-4)
    assert str(tmp_path) not in "".join(
        path.read_text() for path in Path(saved["dir"]).rglob("*.json") if path.name != "tokenizer.json"
    )


@pytest.mark.parametrize("make", [classification_config, regression_config, embedding_config, sft_config])
def test_a_job_builds_on_an_adapter_as_on_the_model_that_it_makes(tmp_path, make):
    h = {"lora_rank": 4, "max_steps": 4, "learning_rate": 0.01}
    saved = checkpoints(run_here(tmp_path, make(tmp_path, base_model=TINY, h=h)), "final")[4]
    found = []
    for part in ("dir", "adapter_dir"):
        place = tmp_path / part
        place.mkdir()
        config = make(place, base_model={"kind": "path", "path": saved[part]}, h={"max_steps": 3})
        found.append([values["loss"] for values in losses(run_here(place, config)).values()])
    assert found[0] == pytest.approx(found[1], rel=1e-3) and len(found[0]) == 3


def test_the_built_in_encoder_has_its_recorded_bytes(tmp_path):
    from anneal_trainer.tiny_models import make_tiny_bert

    make_tiny_bert(str(tmp_path))
    # A change of this value is a new base model: every checkpoint hash that builds on it changes too.
    assert weights(str(tmp_path)).startswith("9891f6f417e9")


def test_a_head_is_kept_for_the_same_labels_and_drawn_anew_for_others(tmp_path):
    first = run_here(tmp_path, classification_config(tmp_path, h=LONG))
    base = {"kind": "path", "path": checkpoints(first, "final")[40]["dir"]}
    start = {"max_steps": 1}
    for folder, rows, is_kept in (
        ("same", None, True),
        (
            "others",
            [{"text": text, "label": label} for text, label in (("aaa", "x"), ("bbb", "y"), ("ccc", "z"))],
            False,
        ),
        ("fewer", [{"text": "aaa", "label": "a"}, {"text": "bbb", "label": "b"}], False),
    ):
        place = tmp_path / folder
        place.mkdir()
        changes = {} if rows is None else {"rows": rows}
        loss = losses(run_here(place, classification_config(place, base_model=base, h=start, **changes)))[1]["loss"]
        assert (loss < 0.3) is is_kept


def test_a_classifier_that_does_not_say_its_problem_keeps_its_head(tmp_path):
    saved = checkpoints(run_here(tmp_path, classification_config(tmp_path, h=LONG)), "final")[40]["dir"]
    path = Path(saved) / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "problem_type": None}))
    place = tmp_path / "next"
    place.mkdir()
    config = classification_config(place, base_model={"kind": "path", "path": saved}, h={"max_steps": 1})
    assert losses(run_here(place, config))[1]["loss"] < 0.3


def small_base(folder, kind):
    """Another kind of encoder with tiny-bert's tokens, whose tokenizer does not say how long a text may be."""
    import torch
    import transformers

    from anneal_trainer.tiny_models import make_tiny_bert

    make_tiny_bert(str(folder))
    sizes = {"vocab_size": 260, "pad_token_id": 256}
    layers = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        if kind == "roberta":  # It counts positions from behind that of padding: 32 are left.
            config = transformers.RobertaConfig(**sizes, **layers, max_position_embeddings=256 + 1 + 32)
            model = transformers.RobertaModel(config)
        elif kind == "distilbert":  # Its head is two modules.
            names = {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 2, "max_position_embeddings": 128}
            model = transformers.DistilBertModel(transformers.DistilBertConfig(**sizes, **names))
        else:  # It has not the pooler that a classifier reads through.
            model = transformers.BertForMaskedLM(
                transformers.BertConfig(**sizes, **layers, max_position_embeddings=128)
            )
    model.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    changed = {"model_max_length": 10**30, "model_input_names": ["input_ids", "attention_mask"]}
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    return {"kind": "path", "path": str(folder)}


@pytest.mark.parametrize("make", [classification_config, embedding_config])
def test_a_text_is_cut_at_the_models_last_position(tmp_path, make):
    base = small_base(tmp_path / "base", "roberta")
    config = make(tmp_path, base_model=base, h={"max_steps": 1, "max_seq_length": 512})
    path = Path(config["dataset"]["path"])
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    long = [{key: value * 50 if key.startswith("text") else value for key, value in row.items()} for row in rows]
    path.write_text("".join(json.dumps(row) + "\n" for row in long))
    config["test"] = planned(tmp_path, {}, dataset=config["dataset"], split_percent=None)
    assert list(checkpoints(run_here(tmp_path, config), "test")) == [1]


@pytest.mark.parametrize("kind", ["distilbert", "bert without pooler"])
def test_an_adapter_holds_all_that_its_base_has_not(tmp_path, kind):
    base = small_base(tmp_path / "base", kind)
    h = {"lora_rank": 4, "learning_rate": 1e-9, "max_steps": None, "num_epochs": 2}
    lines = run_here(tmp_path, on_own_rows(classification_config(tmp_path, base_model=base, h=h)))
    first, last = checkpoints(lines, "epoch")[2]["dir"], checkpoints(lines, "final")[4]
    job = job_of(Classification, tmp_path)
    job.base_folder = base["path"]
    # Nothing was learnt: each copy of the base that an adapter is merged into must be the one that was trained.
    assert predictions(job, first) == predictions(job, last["dir"]) == predictions(job, last["adapter_dir"])


def test_a_merged_classifier_knows_what_it_is_padded_with(tmp_path):
    from anneal_trainer.tiny_models import make_tiny_llama

    base = tmp_path / "base"
    make_tiny_llama(str(base))
    for name, key in (("config.json", "pad_token_id"), ("tokenizer_config.json", "pad_token")):
        value = json.loads((base / name).read_text())
        (base / name).write_text(json.dumps({other: value[other] for other in value if other != key}))
    changes = {"base_model": {"kind": "path", "path": str(base)}, "h": {"lora_rank": 2, "max_steps": 1}}
    saved = checkpoints(run_here(tmp_path, classification_config(tmp_path, **changes)), "final")[1]["dir"]
    assert json.loads((Path(saved) / "config.json").read_text())["pad_token_id"] == 258  # the end of a sequence


@pytest.mark.parametrize(
    ("make", "rows"),
    [
        (classification_config, [{"text": "", "label": label} for label in "xy"]),
        (regression_config, [{"text": "", "score": score} for score in (0, 1)]),
        (embedding_config, [{"text1": "", "text2": "", "score": 1}, {"text1": "", "text2": "a", "score": 0}]),
    ],
)
def test_a_decoder_reads_empty_texts(tmp_path, make, rows):
    config = make(tmp_path, rows=rows, base_model=TINY, h={"max_steps": 1})
    config["test"] = planned(tmp_path, {}, dataset=config["dataset"], split_percent=None)
    assert list(checkpoints(run_here(tmp_path, config), "test")) == [1]


def test_dynamic_loss_is_focal_for_classifiers(tmp_path):
    import torch

    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    right = torch.tensor([logits[0].softmax(-1)[0], logits[1].softmax(-1)[0]])
    assert torch.allclose(loss_of("multiclass", True)(logits, torch.tensor([0, 0])), -((1 - right) ** 2) * right.log())
    shares = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    right = torch.where(shares == 1, logits.sigmoid(), 1 - logits.sigmoid())
    assert torch.allclose(loss_of("multilabel", True)(logits, shares), -((1 - right) ** 2) * right.log(), atol=1e-6)
    # And the job's loss is it: three labels at a third each, before anything is learnt.
    (tmp_path / "plain").mkdir()
    plain = losses(run_here(tmp_path / "plain", classification_config(tmp_path / "plain")))[1]["loss"]
    focal = losses(run_here(tmp_path, classification_config(tmp_path, h={"dynamic_loss": True})))[1]["loss"]
    assert focal == pytest.approx(plain * (1 - math.exp(-plain)) ** 2, rel=0.1) and focal < 0.6 * plain


def test_dynamic_loss_weights_a_language_models_tokens_by_their_probability(tmp_path):
    (tmp_path / "plain").mkdir()
    plain = losses(run_here(tmp_path / "plain", sft_config(tmp_path / "plain", h={"max_steps": 1})))[1]["loss"]
    dynamic = losses(run_here(tmp_path, sft_config(tmp_path, h={"max_steps": 1, "dynamic_loss": True})))[1]["loss"]
    assert dynamic == pytest.approx(plain * math.exp(-plain), rel=0.3) and dynamic < 0.1 * plain


def test_options_of_the_optimizer_reach_it(tmp_path):
    options = {
        "lr_scheduler": "cosine",
        "warmup_ratio": 0.5,
        "weight_decay": 0.1,
        "max_grad_norm": 0,
        "adam_beta1": 0.8,
        "adam_beta2": 0.9,
        "optimizer": "paged_adamw_8bit",
        "eval_batch_size": 3,
        "eval_accumulation_steps": 2,
        "logging_steps": 4,
        "max_steps": 8,
    }
    lines = run_here(tmp_path, classification_config(tmp_path, h=options))
    rates = [values["learning_rate"] for _, values in sorted(losses(lines).items())]
    # Up for half of the steps, then down by the cosine; every step is logged whatever logging_steps says.
    assert rates[:5] == pytest.approx([0, 0.00075, 0.0015, 0.00225, 0.003]) and rates[6] == pytest.approx(0.0015)
    [notice] = [line["message"] for line in lines if line["type"] == "notice"]
    assert notice == "The optimizer paged_adamw_8bit needs a GPU, which this host has not: adamw is used"
    warm = losses(run_here(tmp_path, classification_config(tmp_path, h={"warmup_ratio": 1, "max_steps": 4})))
    assert [values["learning_rate"] for _, values in sorted(warm.items())] == pytest.approx(
        [0, 0.00075, 0.0015, 0.00225]
    )
    steps = losses(run_here(tmp_path, classification_config(tmp_path, h={"warmup_steps": 2, "warmup_ratio": 1})))
    assert steps[3]["learning_rate"] == pytest.approx(0.003)


def test_a_step_of_several_passes_has_the_loss_of_one_pass(tmp_path):
    """The last step of an epoch is not full, and its rows count as much as any."""
    for make, base in ((classification_config, TINY), (regression_config, None), (embedding_config, None)):
        one, many = tmp_path / f"{make.__name__}1", tmp_path / f"{make.__name__}2"
        found = []
        for folder, size in ((one, 8), (many, 2)):
            folder.mkdir()
            changes = {"base_model": base} if base else {}
            h = {"batch_size": size, "global_batch_size": 8, "max_steps": 1, "learning_rate": 1e-9}
            found.append(losses(run_here(folder, make(folder, h=h, **changes)))[1]["loss"])
        # Dropout draws other numbers: the losses are near, not equal.
        assert found[0] == pytest.approx(found[1], rel=0.15)


@pytest.mark.parametrize(
    ("make", "function"),
    [
        (classification_config, "sample_match_combined_metric_shared"),
        (regression_config, "regression_mae"),
        (embedding_config, "regression_mae"),
    ],
)
def test_shared_functions_score_what_is_predicted(tmp_path, make, function):
    config = make(tmp_path, h={**LONG, "max_steps": None, "num_epochs": 2})
    plan = planned(tmp_path, {function: None}, dataset=config["dataset"], split_percent=None)
    lines = run_here(tmp_path, {**config, "test": plan})
    for line in checkpoints(lines, "test").values():
        rows = [json.loads(row) for row in (Path(line["dir"]) / "results.jsonl").read_text().splitlines()]
        scores = [row[function] for row in rows]
        assert len(rows) >= 12 and line["results"] == {function: pytest.approx(sum(scores) / len(scores))}
        if function == "regression_mae":
            wrong = [abs(float(row["output"]) - float(row["expected_output"])) for row in rows]
            assert scores == pytest.approx(wrong, abs=1e-6)
        else:
            outputs, expected = ([ast.literal_eval(row[key]) for row in rows] for key in ("output", "expected_output"))
            assert scores == [
                float(max(o, key=o.get) == max(e, key=e.get)) for o, e in zip(outputs, expected, strict=True)
            ]
    assert len(checkpoints(lines, "test")) == 2


@pytest.mark.parametrize("make", [classification_config, embedding_config])
def test_a_job_is_evaluated_on_rows_that_it_does_not_train_on(tmp_path, make):
    plan = {"dataset": None, "split_percent": 25, "every_steps": 4}
    lines = run_here(tmp_path, make(tmp_path, eval=plan, h={"eval_batch_size": 2}))
    told = [line for line in lines if line["type"] == "metrics" and line["kind"] == "eval"]
    assert [line["step"] for line in told] == [4, 8] and all(line["values"]["eval_loss"] > 0 for line in told)


def test_a_score_of_minus_100_counts(tmp_path):
    rows = [{"text": "a", "score": -100}, {"text": "b", "score": 0}]
    h = {"batch_size": 2, "global_batch_size": 2, "max_steps": 1}
    loss = losses(run_here(tmp_path, regression_config(tmp_path, rows=rows, h=h)))[1]["loss"]
    assert loss == pytest.approx(5000, rel=0.05)


def test_rebalanced_and_downsampled_rows_are_what_is_trained_on(tmp_path):
    rebalance = {"by": "count", "labels": {"a": 1, "b": 6}}
    config = classification_config(tmp_path, rebalance=rebalance, downsample_percent=100, h={"max_steps": None})
    lines = run_here(tmp_path, config)
    assert [line["message"] for line in lines if line["type"] == "notice"] == [
        "Rebalanced to 11 rows: a 4 → 1, b 4 → 6, c 4 → 4"
    ]
    assert next(line for line in lines if line["type"] == "started")["total_steps"] == 2  # 11 rows by 8
    binary = {"by": "ratio", "labels": {"positive": 0.5, "negative": 0.5}}
    job = classification_config(tmp_path, "binary", rebalance=binary)
    (tmp_path / "config.json").write_text(json.dumps(job))
    rows = job_of(Classification, tmp_path).rows
    assert [sum(row.labels["has_a"] for row in rows), len(rows)] == [6, 12]
    many = classification_config(tmp_path, "multilabel", rebalance={"by": "count", "labels": {"a": 1}})
    with pytest.raises(TrainerFailure, match="needs rows with one label each"):
        run_here(tmp_path, many)
