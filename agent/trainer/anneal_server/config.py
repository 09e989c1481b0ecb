"""The server's config file. Its schema's owner is `protocol/model-server.ts`."""

from __future__ import annotations

import json
from dataclasses import dataclass

from anneal_trainer.config import BaseModel, ConfigError, build

TASKS = ("text-generation", "classification", "regression", "embedding")


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """`max_active` requests are worked on at once, `max_queue` more may wait."""

    version: int
    engine_id: str
    task: str
    base_model: BaseModel
    gpus: list[int]
    torch_threads: int | None
    max_active: int
    max_queue: int

    @property
    def device(self) -> str:
        """Where models are."""
        return "cuda" if self.gpus else "cpu"


def load(path: str) -> ServerConfig:
    """Read the config at `path`."""
    with open(path, encoding="utf-8") as file:
        config = build(ServerConfig, json.load(file), "config")
    if config.version != 1:
        raise ConfigError("config: `version` must be 1")
    if config.task not in TASKS:
        raise ConfigError(f"config.task: unknown task {config.task!r}, known are {', '.join(TASKS)}")
    return config
