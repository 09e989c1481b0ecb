"""The job's config file as dataclasses, read strictly: an unknown, missing or ill-typed key is an error by name.

The schema's owner is `protocol/trainer.ts`; ranges are checked there, types and names here.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from dataclasses import dataclass


class ConfigError(ValueError):
    """The config file is not what the protocol says."""


@dataclass(frozen=True)
class BaseModel:
    """`name` for builtin, `id` for hub, `path` for path."""

    kind: str
    name: str | None = None
    id: str | None = None
    path: str | None = None


@dataclass(frozen=True)
class Dataset:
    path: str
    format: str


@dataclass(frozen=True)
class Evaluation:
    """Either `dataset` or `split_percent`; `every_steps` None means at the end of each `every_epochs`-th epoch."""

    dataset: Dataset | None
    split_percent: int | None
    every_steps: int | None
    every_epochs: int | None = None
    metrics: list[str] | None = None
    at_start: bool | None = None


@dataclass(frozen=True)
class EarlyStop:
    """`window` is there for the metric `reward`."""

    metric: str
    patience: int
    min_delta: float
    window: int | None = None


@dataclass(frozen=True)
class UserCode:
    """Bounds on one call of a reward function."""

    timeout_seconds: float
    memory_bytes: int
    output_bytes: int


@dataclass(frozen=True)
class Rebalance:
    """How many rows of each label to train on: `by` is `count` or `ratio`."""

    by: str
    labels: dict[str, float]


@dataclass(frozen=True)
class LocalFunction:
    id: str
    name: str
    path: str
    format: str


@dataclass(frozen=True)
class UntestedCheckpoint:
    """A model of an earlier attempt that is still to be tested."""

    step: int
    epoch: float
    dir: str


@dataclass(frozen=True)
class PlannedTest:
    """Either `dataset` or `split_percent`. With `is_trained` nothing is left to train, only the checkpoints to test."""

    dataset: Dataset | None
    split_percent: float | None
    functions: list[LocalFunction]
    checkpoints: list[UntestedCheckpoint]
    is_trained: bool


@dataclass(frozen=True)
class RewardFunction(LocalFunction):
    weight: float


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """What every method has; what is None is the library's own default."""

    learning_rate: float
    num_epochs: float
    max_steps: int | None
    seed: int
    global_batch_size: int
    lora_rank: int | None = None
    lora_alpha: float | None = None
    lora_dropout: float | None = None
    lr_scheduler: str | None = None
    warmup_ratio: float | None = None
    warmup_steps: int | None = None
    weight_decay: float | None = None
    max_grad_norm: float | None = None
    adam_beta1: float | None = None
    adam_beta2: float | None = None
    optimizer: str | None = None
    eval_batch_size: int | None = None
    eval_accumulation_steps: int | None = None
    save_steps: int | None = None
    logging_steps: int | None = None


@dataclass(frozen=True, kw_only=True)
class GrpoHyperparameters(Hyperparameters):
    rollouts_per_prompt: int
    kl_coef: float
    max_prompt_length: int
    max_response_length: int
    system_prompt: str | None = None


@dataclass(frozen=True, kw_only=True)
class RowHyperparameters(Hyperparameters):
    """Of the methods that learn from rows as they are; all there is for `regression` and `embedding`."""

    batch_size: int
    max_seq_length: int


@dataclass(frozen=True, kw_only=True)
class SftTextHyperparameters(RowHyperparameters):
    system_prompt: str | None = None
    dynamic_loss: bool | None = None


@dataclass(frozen=True, kw_only=True)
class ClassificationHyperparameters(RowHyperparameters):
    dynamic_loss: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Config:
    version: int
    method: str
    job_id: str
    attempt: int
    task: str
    base_model: BaseModel
    dataset: Dataset | None
    output_dir: str
    resume_from: str | None
    gpus: list[int]
    torch_threads: int | None
    resume_interval_seconds: float
    user_code: UserCode
    hyperparameters: Hyperparameters
    eval: Evaluation | None = None
    early_stop: EarlyStop | None = None
    downsample_percent: float | None = None
    rebalance: Rebalance | None = None
    test: PlannedTest | None = None
    preprocessed: str | None = None


@dataclass(frozen=True, kw_only=True)
class GrpoConfig(Config):
    hyperparameters: GrpoHyperparameters
    functions: list[RewardFunction]


@dataclass(frozen=True, kw_only=True)
class RowConfig(Config):
    """Of `regression` and `embedding`, and what the other methods that learn from rows have too."""

    hyperparameters: RowHyperparameters


@dataclass(frozen=True, kw_only=True)
class SftTextConfig(RowConfig):
    hyperparameters: SftTextHyperparameters


@dataclass(frozen=True, kw_only=True)
class ClassificationConfig(RowConfig):
    hyperparameters: ClassificationHyperparameters


_BY_METHOD: dict[str, type[Config]] = {
    "grpo": GrpoConfig,
    "sft_text": SftTextConfig,
    "classification": ClassificationConfig,
    "regression": RowConfig,
    "embedding": RowConfig,
}


def load(path: str) -> Config:
    """Read the config at `path`."""
    with open(path, encoding="utf-8") as file:
        value = json.load(file)
    if not isinstance(value, dict) or value.get("version") != 1:
        raise ConfigError("config: `version` must be 1")
    method = value.get("method")
    if method not in _BY_METHOD:
        raise ConfigError(f"config.method: unknown method {method!r}, known are {', '.join(_BY_METHOD)}")
    config = build(_BY_METHOD[method], value, "config")
    if config.dataset is None and config.task != "import":
        raise ConfigError(f"config.dataset: null, and the task is {config.task}")
    return config


def build(cls: type, value: object, where: str):
    """`value` as a dataclass; `where` is what it is called in errors."""
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: expected an object")
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for key in value:
        if key not in fields:
            raise ConfigError(f"{where}.{key}: unknown key")
    built = {}
    for name, field in fields.items():
        if name in value:
            built[name] = _convert(hints[name], value[name], f"{where}.{name}")
        elif field.default is dataclasses.MISSING:
            raise ConfigError(f"{where}.{name}: missing")
    return cls(**built)


def _convert(hint: object, value: object, where: str):
    if isinstance(hint, types.UnionType):
        if value is None:
            return None
        inner = next(arm for arm in typing.get_args(hint) if arm is not types.NoneType)
        return _convert(inner, value, where)
    if typing.get_origin(hint) is list:
        if not isinstance(value, list):
            raise ConfigError(f"{where}: expected a list")
        item = typing.get_args(hint)[0]
        return [_convert(item, entry, f"{where}[{index}]") for index, entry in enumerate(value)]
    if typing.get_origin(hint) is dict:
        if not isinstance(value, dict):
            raise ConfigError(f"{where}: expected an object")
        item = typing.get_args(hint)[1]
        return {key: _convert(item, entry, f"{where}.{key}") for key, entry in value.items()}
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type, hint), value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, bool) != (hint is bool) or not isinstance(value, typing.cast(type, hint)):
        raise ConfigError(f"{where}: expected {typing.cast(type, hint).__name__}, got {type(value).__name__}")
    return value
