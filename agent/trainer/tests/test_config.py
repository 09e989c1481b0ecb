import json

import pytest
from trainer_process import grpo_config, sft_config

from anneal_trainer.config import ConfigError, GrpoConfig, SftTextConfig, load


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
