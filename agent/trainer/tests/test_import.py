"""Tasks of kind `import`: built-in models, folders, a hub's; and what cannot be used."""

import json
import shutil
from pathlib import Path

import pytest
from hub_server import Hub
from in_process import run_here
from trainer_process import TINY, TINY_BERT, sft_config

from anneal_trainer.failures import TrainerFailure
from anneal_trainer.tiny_models import make_tiny_bert, make_tiny_llama


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    make_tiny_llama(str(folder))
    return folder


def imported(folder, base):
    """The checkpoint line of an import of this base."""
    folder.mkdir(exist_ok=True)
    config = {**sft_config(folder), "task": "import", "dataset": None, "base_model": base}
    lines = run_here(folder, config)
    assert [line["type"] for line in lines] == ["started", "progress", "checkpoint", "finished"]
    assert lines[0]["total_steps"] == 1 and (lines[2]["kind"], lines[2]["step"]) == ("final", 0)
    return lines[2]


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


@pytest.mark.parametrize("base", [TINY, TINY_BERT], ids=["llama", "bert"])
def test_a_built_in_model_is_made(tmp_path, base):
    from transformers import AutoModel, AutoTokenizer

    done = imported(tmp_path, base)
    make = make_tiny_llama if base == TINY else make_tiny_bert
    make(str(tmp_path / "again"))
    made = (Path(done["dir"]) / "model.safetensors").read_bytes()
    assert made == (tmp_path / "again" / "model.safetensors").read_bytes()
    AutoModel.from_pretrained(done["dir"])
    whole, alone = (AutoTokenizer.from_pretrained(done[key]) for key in ("dir", "tokenizer_dir"))
    assert whole("aé b")["input_ids"] == alone("aé b")["input_ids"]
    assert not any(name.endswith(".safetensors") for name in names(done["tokenizer_dir"]))


def test_a_folder_is_copied_without_code_and_pickles(tmp_path, tiny):
    source = tmp_path / "source"
    shutil.copytree(tiny, source)
    (source / "modeling_evil.py").write_text("raise SystemExit('code of a model was run')\n")
    (source / "pytorch_model.bin").write_bytes(b"pickle")
    (source / "onnx").mkdir()
    (source / "onnx" / "config.json").write_text("{}")
    done = imported(tmp_path / "task", {"kind": "path", "path": str(source)})
    assert names(done["dir"]) == names(tiny)
    # The agent deletes what it is told of.
    shutil.rmtree(done["dir"])
    assert (source / "model.safetensors").read_bytes() == (tiny / "model.safetensors").read_bytes()


def change_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no safetensors"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\x00" * 100), "no whole safetensors file"),
        (lambda folder: change_config(folder, model_type="evil", auto_map={"AutoConfig": "evil.C"}), "kind"),
        (
            lambda folder: (folder / "model.safetensors.index.json").write_text(
                json.dumps({"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}})
            ),
            "lack model-00002-of-00002.safetensors",
        ),
        (lambda folder: [path.unlink() for path in folder.glob("token*")], "no tokenizer"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_sentence(tmp_path, tiny, spoil, words):
    shutil.copytree(tiny, tmp_path / "source")
    spoil(tmp_path / "source")
    with pytest.raises(TrainerFailure, match=words) as caught:
        imported(tmp_path / "task", {"kind": "path", "path": str(tmp_path / "source")})
    assert caught.value.reason == "base_model_unavailable"


def test_a_hubs_model_comes_as_files_of_its_own(tmp_path, tiny, monkeypatch):
    from huggingface_hub import constants

    hub = Hub(tiny)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    done = imported(tmp_path / "task", {"kind": "hub", "id": "org/found"})
    assert names(done["dir"]) == names(tiny) and not any(path.is_symlink() for path in Path(done["dir"]).iterdir())
    with pytest.raises(TrainerFailure, match="no safetensors") as caught:
        imported(tmp_path / "pickle", {"kind": "hub", "id": "org/pickle"})
    assert caught.value.reason == "base_model_unavailable"
    hub.close()
    assert hub.unexpected == []
