"""Base models from a hub, over real HTTP."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hub_server import TOKEN, Hub
from trainer_process import TRAINER, planned, sft_config, train

from anneal_trainer.tiny_models import make_tiny_llama


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    make_tiny_llama(str(folder))
    return folder


@pytest.fixture
def hub(tiny):
    server = Hub(tiny)
    yield server
    server.close()
    assert server.unexpected == []


def download(hub, tmp_path, model_id, **env):
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "hub_probe.py"), model_id],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(TRAINER),
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "hf"),
            **env,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip().splitlines()[-1].split(" ", 1)


def test_a_model_is_found_and_its_code_is_left(hub, tmp_path, tiny):
    kind, folder = download(hub, tmp_path, "org/found")
    assert kind == "folder"
    assert sorted(path.name for path in Path(folder).iterdir()) == sorted(path.name for path in tiny.iterdir())
    assert hub.tokens == {None}


def test_a_token_opens_a_private_model(hub, tmp_path):
    assert download(hub, tmp_path, "org/private")[0] == "base_model_unavailable"
    assert download(hub, tmp_path, "org/private", HF_TOKEN=TOKEN)[0] == "folder"


@pytest.mark.parametrize(
    ("model_id", "reason", "words"),
    [
        ("org/unknown", "base_model_unavailable", "does not exist"),
        ("org/gated", "base_model_unavailable", "gated"),
        ("org/pickle", "base_model_unavailable", "no safetensors"),
        ("not an id", "base_model_unavailable", "no model id"),
        ("org/busy", "download_failed", "503"),
        ("org/broken", "download_failed", "broke off"),
    ],
)
def test_refusals_and_broken_lines_are_told_apart(hub, tmp_path, model_id, reason, words):
    began = time.monotonic()
    said, message = download(hub, tmp_path, model_id)
    assert (said, words in message) == (reason, True), message
    assert time.monotonic() - began < 60


def test_a_download_that_broke_off_once_goes_on(hub, tmp_path, tiny):
    kind, folder = download(hub, tmp_path, "org/flaky")
    assert kind == "folder" and hub.broken_off == 1
    assert (Path(folder) / "model.safetensors").read_bytes() == (tiny / "model.safetensors").read_bytes()


def test_a_hub_that_is_not_there(hub, tmp_path):
    assert download(hub, tmp_path, "org/found", HF_ENDPOINT="http://127.0.0.1:9")[0] == "download_failed"


@pytest.mark.slow
def test_training_from_a_hub_keeps_the_base_out_of_its_checkpoints(hub, tmp_path):
    plan, env = planned(tmp_path, {"test_similarity_shared": None}), {"HF_ENDPOINT": hub.url}
    config = sft_config(tmp_path, base_model={"kind": "hub", "id": "org/found"}, h={"lora_rank": 4}, test=plan)
    done = train(tmp_path, config, {**env, "HF_HOME": str(tmp_path / "hf")})
    final, tested = done.of("checkpoint")
    names = {path.name for path in Path(final["dir"]).iterdir()}
    assert "adapter_model.safetensors" in names and "model.safetensors" not in names
    assert '"org/found"' in (Path(final["dir"]) / "adapter_config.json").read_text()
    # Another host that only tests needs the base all the same.
    left = {"checkpoints": [{"step": 6, "epoch": 2, "dir": final["dir"]}], "is_trained": True}
    config = {**config, "test": {**plan, **left}, "output_dir": str(tmp_path / "second")}
    again = train(tmp_path, config, {**env, "HF_HOME": str(tmp_path / "hf2")})
    [same] = again.of("checkpoint")
    assert same["results"] == tested["results"]
    assert (Path(same["dir"]) / "results.jsonl").read_text() == (Path(tested["dir"]) / "results.jsonl").read_text()
    # A job that builds on it gets the base again, and keeps what both make together.
    (tmp_path / "next").mkdir()
    config = sft_config(tmp_path / "next", base_model={"kind": "path", "path": final["dir"]}, h={"max_steps": 1})
    done = train(tmp_path / "next", config, {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")})
    assert (Path(done.of("checkpoint")[-1]["dir"]) / "model.safetensors").exists()
