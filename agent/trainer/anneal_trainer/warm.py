"""A trainer that does its imports before there is a job: it says so, waits to be told its job, and becomes its trainer.

The imports run in a thread of low priority, since niceness is a thread's own and an unprivileged process cannot take
its own back. A job that comes earlier ends them after the present module: the rest is imported as it always is.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

from . import environment

# What the methods import, the largest first: the rest of a job's imports takes milliseconds.
MODULES = (
    "torch",
    "transformers",
    "datasets",
    "peft",
    "transformers.models.llama.modeling_llama",
    "trl.trainer.sft_config",
    "trl.trainer.sft_trainer",
    "trl.trainer.grpo_config",
    "trl.trainer.grpo_trainer",
    "anneal_trainer.callbacks",
    "anneal_trainer.sft_text",
    "anneal_trainer.grpo",
)
NICENESS = 10
MAX_ORDER_BYTES = 1024 * 1024


def wait_for_job(host: str) -> str:
    """Import, wait for the order, take on its environment; the answer is the config file's path.

    `host` is a JSON object `{gpus, torch_threads}`: what the libraries must know before they are imported. The
    descriptor of the order is closed without one when no job is to come: the process ends.
    """
    facts = json.loads(host)
    environment.before_imports(facts["gpus"], facts["torch_threads"])
    fd = int(os.environ.pop("ANNEAL_ORDER_FD"))
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="imports") as imports:
        # What is half imported is not imported again: that would fail in another way, and hide why.
        imports.submit(_import, fd).result()
    order = _read_order(fd)
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    # Whoever asked for a temporary folder during the imports was given one that will be gone.
    tempfile.tempdir = None
    # Closing it says that the folders of the wait are not needed any more.
    os.close(fd)
    return order["config"]


def _import(order_fd: int) -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
    for name in MODULES:
        if select.select([order_fd], [], [], 0)[0]:
            return
        importlib.import_module(name)
    os.write(order_fd, b"ready\n")


def _read_order(fd: int) -> dict:
    line = bytearray()
    while not line.endswith(b"\n"):
        chunk = os.read(fd, 65536)
        if not chunk or len(line) > MAX_ORDER_BYTES:
            os._exit(0)
        line += chunk
    return json.loads(line)
