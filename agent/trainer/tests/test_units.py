import json
import math
import os

import pytest

from anneal_trainer.config import GrpoHyperparameters
from anneal_trainer.failures import TrainerFailure, classify
from anneal_trainer.grpo import batch_shape
from anneal_trainer.memory import TrainingState, count_adapter, count_parameters, needs_sharding
from anneal_trainer.report import Reporter


def hyperparameters(**changes):
    return GrpoHyperparameters(
        **{
            "learning_rate": 1e-3,
            "num_epochs": 1.0,
            "max_steps": 1,
            "seed": 1,
            "global_batch_size": 64,
            "rollouts_per_prompt": 8,
            "kl_coef": 0.0,
            "max_prompt_length": 1024,
            "max_response_length": 2048,
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("changes", "world", "shape"),
    [
        ({}, 1, (8, 8)),
        ({"max_prompt_length": 16, "max_response_length": 16}, 1, (64, 1)),
        ({"max_prompt_length": 256, "max_response_length": 256}, 1, (16, 4)),
        ({}, 16, (4, 1)),
        ({"global_batch_size": 8, "rollouts_per_prompt": 8}, 2, (4, 1)),
    ],
)
def test_a_step_is_divided_into_whole_passes(changes, world, shape):
    assert batch_shape(hyperparameters(**changes), world) == shape


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(TrainerFailure, match="no multiple"):
        batch_shape(hyperparameters(global_batch_size=60), 1)


def test_only_finite_numbers_are_reported():
    reading, writing = os.pipe()
    report = Reporter(writing)
    report.metrics(3, "train", {"loss": 1.5, "bad": math.nan, "worse": math.inf, "none": None, "flag": True, "n": 2})
    report.metrics(4, "train", {"bad": math.nan})
    os.close(writing)
    with os.fdopen(reading) as file:
        assert [json.loads(line) for line in file] == [
            {"type": "metrics", "step": 3, "kind": "train", "values": {"loss": 1.5, "n": 2}}
        ]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "out_of_memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "out_of_memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "out_of_memory"),
        (RuntimeError("No CUDA GPUs are available"), "cuda_unavailable"),
        (ValueError("generation_batch_size (4) must be divisible"), "trainer_error"),
        (TrainerFailure("nan_loss", "x"), "nan_loss"),
    ],
)
def test_exceptions_have_reasons(error, reason):
    assert classify(error).reason == reason


BILLION = 10**9
H100 = 80 * 2**30


@pytest.mark.parametrize(
    ("parameters", "trained", "has_reference", "gpus", "sharded"),
    [
        (BILLION // 2, BILLION // 2, True, 2, False),  # full training of 0.5 B with a reference model: 12 GB
        (7 * BILLION, 7 * BILLION, False, 8, True),  # full training of 7 B: 140 GB
        (7 * BILLION, 7 * BILLION, False, 1, False),  # nobody to share with: it is tried as it is
        (7 * BILLION, 40_000_000, True, 8, False),  # an adapter on 7 B: 15 GB
        (70 * BILLION, 200_000_000, False, 8, True),  # an adapter on 70 B: 144 GB
    ],
)
def test_a_model_is_shared_when_one_gpu_cannot_hold_its_training(parameters, trained, has_reference, gpus, sharded):
    assert needs_sharding(TrainingState(parameters, trained, has_reference), H100, gpus) is sharded


def test_parameters_are_counted_from_headers(tmp_path):
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM

    from anneal_trainer.models import LORA_TARGETS, lora_config
    from anneal_trainer.tiny_models import make_tiny_llama

    make_tiny_llama(str(tmp_path))
    model = AutoModelForCausalLM.from_pretrained(str(tmp_path))
    assert count_parameters(str(tmp_path)) == sum(parameter.numel() for parameter in model.parameters())
    adapted = get_peft_model(model, lora_config(hyperparameters(lora_rank=4)))
    trained = sum(parameter.numel() for parameter in adapted.parameters() if parameter.requires_grad)
    assert count_adapter(str(tmp_path), 4, LORA_TARGETS) == trained
