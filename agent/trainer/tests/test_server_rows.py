"""Classification, regression and embedding of the small model server, beside the trained models loaded directly."""

from __future__ import annotations

import base64
import struct
from concurrent.futures import ThreadPoolExecutor

import pytest
from in_process import checkpoints, run_here
from server_here import ServerHere
from trainer_process import TINY_BERT, classification_config, embedding_config, regression_config

from anneal_trainer.tiny_models import make_tiny_bert

TEXTS = ["aaa", "b b", "cccx", "", "an answer about bees", "ünïcödé 🙂"]
CLOSE = 1e-5


def trained(folder, config) -> dict:
    """The final checkpoint's folders."""
    folder.mkdir()
    lines = run_here(folder, config(folder))
    return next(iter(checkpoints(lines, "final").values()))


@pytest.fixture(scope="module")
def classifiers(tmp_path_factory):
    folder, lora = tmp_path_factory.mktemp("classifiers"), {"max_steps": 3, "lora_rank": 4}
    return {
        kind: trained(folder / kind, lambda own, kind=kind: classification_config(own, kind, h=lora))
        for kind in ("multiclass", "multilabel", "binary")
    }


def direct(folder, text):
    """Logits and configuration of the model that `from_pretrained` gives."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder)
    tokens = AutoTokenizer.from_pretrained(folder)(text or " ", return_tensors="pt")
    with torch.inference_mode():
        return model(**tokens).logits[0], model.config, tokens["input_ids"].shape[1]


def test_probabilities_are_those_of_the_model_loaded_directly_in_both_forms(classifiers, tmp_path):
    with ServerHere(tmp_path, TINY_BERT, task="classification") as server, ThreadPoolExecutor(8) as pool:
        loaded = [
            (kind, form, server.load(f"{kind}-{form}", form, made[folder])["labels"])
            for kind, made in classifiers.items()
            for form, folder in (("weights", "dir"), ("adapter", "adapter_dir"))
        ]
        assert {kind: labels for kind, _, labels in loaded} == {
            "multiclass": ["a", "b", "c"],
            "multilabel": ["a", "b"],
            "binary": ["has_a"],
        }
        asked = [(kind, f"{kind}-{form}", labels, text) for kind, form, labels in loaded for text in TEXTS]
        bodies = [{"model": model, "input": text} for _, model, _, text in asked]
        answers = list(pool.map(lambda body: server.post("/v1/classification", body), bodies))
        for (kind, _, labels, text), answer in zip(asked, answers, strict=True):
            logits, config, count = direct(classifiers[kind]["dir"], text)
            shares = logits.softmax(-1) if kind == "multiclass" else logits.sigmoid()
            (one,) = answer["data"]
            assert one["index"] == 0 and [config.id2label[at] for at in range(len(labels))] == labels
            assert one["logits"] == pytest.approx(dict(zip(labels, logits.tolist(), strict=True)), abs=CLOSE)
            assert one["probs"] == pytest.approx(dict(zip(labels, shares.tolist(), strict=True)), abs=CLOSE)
            assert answer["usage"] == {"prompt_tokens": count, "completion_tokens": 0, "total_tokens": count}
        adapted = [server.deployments._entries[f"{kind}-adapter"].loading.result().model for kind in classifiers]
        embeddings = [model.get_input_embeddings().weight.data_ptr() for model in adapted]
        assert len(set(embeddings)) == 1, "adapters share the base's weights"
        error = server.refused("/v1/classification", {"model": "binary-weights", "input": "x" * 1023})
        assert error["param"] == "input" and "1025" in error["message"] and "1024" in error["message"]
        assert server.refused("/v1/classification", {"model": "binary-weights", "input": ["x"]})["param"] == "input"
        assert server.refused("/v1/regression", {"model": "binary-weights", "input": "x"})["param"] == "model"
        assert server.refused("/v1/completions", {"model": "binary-weights", "prompt": "x"})["param"] == "model"
        bare = server.refused("/models/load", {"id": "base", "form": "base", "path": None})
        assert bare["code"] == "base_model_unavailable" and "classifier" in bare["message"]


def test_a_number_is_that_of_the_model_loaded_directly(tmp_path):
    made = trained(tmp_path / "trained", lambda own: regression_config(own, h={"max_steps": 3, "lora_rank": 4}))
    with ServerHere(tmp_path / "server", TINY_BERT, task="regression") as server:
        assert server.load("m", "weights", made["dir"]) == {"id": "m"}
        assert server.load("n", "adapter", made["adapter_dir"]) == {"id": "n"}
        for text in TEXTS:
            logits, _, _ = direct(made["dir"], text)
            for model in ("m", "n"):
                answer = server.post("/v1/regression", {"model": model, "input": text})
                (one,) = answer["data"]
                assert answer["model"] == model and one == {
                    "index": 0,
                    "value": pytest.approx(logits.item(), abs=CLOSE),
                }
        assert server.refused("/v1/classification", {"model": "m", "input": "x"})["param"] == "model"


def test_vectors_are_those_of_the_model_loaded_directly(tmp_path):
    from sentence_transformers import SentenceTransformer

    made = trained(tmp_path / "trained", lambda own: embedding_config(own, h={"max_steps": 3, "lora_rank": 4}))
    with ServerHere(tmp_path / "server", TINY_BERT, task="embedding") as server:
        assert server.load("whole", "weights", made["dir"]) == {"id": "whole"}
        server.load("adapter", "adapter", made["adapter_dir"])
        server.load("base", "base")
        body = {"model": "whole", "input": TEXTS}
        answer = server.post("/v1/embeddings", body)
        assert answer["object"] == "list" and [one["index"] for one in answer["data"]] == list(range(len(TEXTS)))
        vectors = [one["embedding"] for one in answer["data"]]
        expected = SentenceTransformer(made["dir"], device="cpu").encode([text or " " for text in TEXTS])
        for vector, own in zip(vectors, expected, strict=True):
            assert vector == pytest.approx(own.tolist(), abs=CLOSE)
        counted = SentenceTransformer(made["dir"], device="cpu").tokenizer([text or " " for text in TEXTS])["input_ids"]
        tokens = sum(map(len, counted))
        assert answer["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
        adapted = server.post("/v1/embeddings", {**body, "model": "adapter"})["data"]
        plain = server.post("/v1/embeddings", {**body, "model": "base"})["data"]
        for one, vector, bare in zip(adapted, vectors, plain, strict=True):
            assert one["embedding"] == pytest.approx(vector, abs=CLOSE)
            assert bare["embedding"] != pytest.approx(vector, abs=1e-3)
        coded = server.post("/v1/embeddings", {**body, "input": "aaa", "encoding_format": "base64", "dimensions": 96})
        (one,) = coded["data"]
        assert list(struct.unpack("<96f", base64.b64decode(one["embedding"]))) == pytest.approx(vectors[0], abs=1e-6)
        many = server.post("/v1/embeddings", {**body, "input": ["aaa", *"abcdefghijklmnopqrst"]})["data"]
        assert len(many) == 21 and many[0]["embedding"] == pytest.approx(vectors[0], abs=CLOSE)
        for changes, param in (
            ({"input": []}, "input"),
            ({"input": ["a", 1]}, "input"),
            ({"input": ["a", "x" * 40]}, "input"),
            ({"input": ["a"] * 2049}, "input"),
            ({"dimensions": 32}, "dimensions"),
            ({"encoding_format": "int8"}, "encoding_format"),
        ):
            assert server.refused("/v1/embeddings", {**body, **changes})["param"] == param


def test_a_base_that_is_a_classifier_is_served_as_it_is(classifiers, tmp_path):
    path = classifiers["multiclass"]["dir"]
    with ServerHere(tmp_path, {"kind": "path", "path": str(path)}, task="classification") as server:
        assert server.load("base", "base")["labels"] == ["a", "b", "c"]
        logits, _, _ = direct(path, "bbb")
        answer = server.post("/v1/classification", {"model": "base", "input": "bbb"})["data"][0]
        assert list(answer["probs"].values()) == pytest.approx(logits.softmax(-1).tolist(), abs=CLOSE)
    with ServerHere(tmp_path, {"kind": "path", "path": str(path)}, task="regression") as server:
        error = server.refused("/models/load", {"id": "base", "form": "base", "path": None})
        assert "single_label_classification" in error["message"]
    make_tiny_bert(str(tmp_path / "bert"))
    with ServerHere(tmp_path, {"kind": "path", "path": str(tmp_path / "nothing")}, task="embedding") as server:
        assert server.refused("/models/load", {"id": "b", "form": "base", "path": None})["code"]
        # A model that does not load spoils none that does.
        server.load("w", "weights", tmp_path / "bert")
        assert len(server.post("/v1/embeddings", {"model": "w", "input": "x"})["data"][0]["embedding"]) == 96
