"""What the fork server imports before it forks: everything that a job of either method imports."""

import os

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"

import peft  # noqa: E402, F401
import sentence_transformers  # noqa: E402, F401
from trl.trainer import grpo_config, grpo_trainer, sft_config, sft_trainer  # noqa: E402, F401

from anneal_trainer import (  # noqa: E402, F401
    callbacks,
    checkpoints,
    classification,
    embedding,
    grpo,
    regression,
    run,
    sft_text,
)
