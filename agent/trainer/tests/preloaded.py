"""What the fork server imports before it forks: everything that a job of either method imports."""

import os

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"

import peft  # noqa: E402, F401
from trl.trainer import grpo_config, grpo_trainer, sft_config, sft_trainer  # noqa: E402, F401

from anneal_trainer import callbacks, checkpoints, grpo, run, sft_text  # noqa: E402, F401
