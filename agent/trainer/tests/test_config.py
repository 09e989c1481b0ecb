import json

import pytest
from trainer_process import classification_config, embedding_config, grpo_config, regression_config, sft_config

from anneal_trainer.config import ClassificationConfig, ConfigError, GrpoConfig, SftTextConfig, load


def write(folder, value):
    path = folder / "config.json"
    path.write_text(json.dumps(value))
    return str(path)


def test_reads_both_methods(tmp_path):
    sft = load(write(tmp_path, sft_config(tmp_path)))
    assert isinstance(sft, SftTextConfig) and sft.hyperparameters.batch_size == 4
    grpo = load(write(tmp_path, grpo_config(tmp_path)))
    assert isinstance(grpo, GrpoConfig) and grpo.functions[0].format == "trl"
    # An integer where the protocol has a number.
    assert isinstance(grpo.functions[0].weight, float)


def test_reads_the_methods_of_rows_with_what_only_they_have(tmp_path):
    test = {
        "dataset": None,
        "split_percent": 20,
        "functions": [{"id": "shared:f", "name": "f", "path": "/f.py", "format": "test"}],
        "checkpoints": [{"step": 4, "epoch": 1, "dir": "/c"}],
        "is_trained": False,
    }
    rebalance = {"by": "count", "labels": {"a": 3, "b": 2.0}}
    h = {"dynamic_loss": True, "warmup_ratio": 0, "optimizer": "adamw_8bit", "save_steps": 2}
    changes = {"test": test, "rebalance": rebalance, "downsample_percent": 50, "h": h}
    config = load(write(tmp_path, classification_config(tmp_path, **changes)))
    assert isinstance(config, ClassificationConfig) and config.hyperparameters.dynamic_loss is True
    assert config.rebalance.labels == {"a": 3.0, "b": 2.0} and config.test.functions[0].name == "f"
    assert config.test.split_percent == 20.0 and config.test.checkpoints[0].step == 4 and not config.test.is_trained
    assert load(write(tmp_path, regression_config(tmp_path))).method == "regression"
    assert load(write(tmp_path, embedding_config(tmp_path))).method == "embedding"
    with pytest.raises(ConfigError, match="config.hyperparameters.dynamic_loss: unknown"):
        load(write(tmp_path, regression_config(tmp_path, h={"dynamic_loss": True})))
    with pytest.raises(ConfigError, match="config.test.is_trained: expected bool, got int"):
        load(write(tmp_path, classification_config(tmp_path, test={**test, "is_trained": 0})))
    with pytest.raises(ConfigError, match="config.rebalance.labels.a: expected float"):
        load(write(tmp_path, classification_config(tmp_path, rebalance={"by": "count", "labels": {"a": "3"}})))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"version": 2}, "version"),
        ({"method": "dpo"}, "method"),
        ({"surprise": 1}, "config.surprise"),
        ({"gpus": "0"}, "config.gpus"),
        ({"torch_threads": True}, "config.torch_threads"),
        ({"dataset": {"path": "x"}}, "config.dataset.format"),
        ({"hyperparameters": {}}, "config.hyperparameters.learning_rate"),
    ],
)
def test_names_what_is_wrong(tmp_path, change, named):
    with pytest.raises(ConfigError, match=named):
        load(write(tmp_path, {**sft_config(tmp_path), **change}))
