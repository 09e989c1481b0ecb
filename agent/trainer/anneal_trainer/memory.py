"""Whether each GPU of a job can hold the whole training state (DDP), or the GPUs must share it (FSDP).

An estimate of what is known before training: weights, gradients, AdamW's two moments, DDP's buckets and GRPO's
reference model. What activations, logits and a generation's cache take depends on the rows: a share is left to them.
"""

from __future__ import annotations

import json
import math
import os
import struct
from dataclasses import dataclass

# Of a GPU's memory, for activations, caches and the CUDA context.
RESERVED_SHARE = 0.3
_FLOAT32 = 4
_BFLOAT16 = 2


@dataclass(frozen=True)
class TrainingState:
    """What one process holds when nothing is shared. `trained` counts the parameters that have gradients."""

    parameters: int
    trained: int
    has_reference: bool

    def bytes(self) -> int:
        """Full training keeps 32-bit weights; a frozen base is bf16, its adapter 32-bit (see `models.load`)."""
        is_full = self.trained == self.parameters
        frozen = 0 if is_full else self.parameters * _BFLOAT16
        # Weights, gradients, DDP's copy of them in buckets, two moments.
        trained = self.trained * _FLOAT32 * 5
        # An adapter's reference is its base; full training keeps a second model.
        reference = self.parameters * _FLOAT32 if self.has_reference and is_full else 0
        return frozen + trained + reference


def needs_sharding(state: TrainingState, gpu_bytes: int, world_size: int) -> bool:
    """True when one process's state leaves too little of its GPU, and there are others to share it with."""
    return world_size > 1 and state.bytes() > gpu_bytes * (1 - RESERVED_SHARE)


def smallest_gpu_bytes() -> int | None:
    """The memory of the smallest GPU that this job was given; None on a CPU."""
    import torch

    if not torch.cuda.is_available():
        return None
    return min(torch.cuda.get_device_properties(index).total_memory for index in range(torch.cuda.device_count()))


def count_parameters(folder: str) -> int:
    """The parameters in a model folder's safetensors files, from their headers alone."""
    return sum(math.prod(shape) for shape in _shapes(folder).values())


def count_adapter(folder: str, rank: int, targets: list[str]) -> int:
    """The parameters of an adapter of this rank on every linear layer that `targets` names."""
    return sum(
        rank * sum(shape)
        for name, shape in _shapes(folder).items()
        if len(shape) == 2 and name.removesuffix(".weight").rsplit(".", 1)[-1] in targets
    )


def _shapes(folder: str) -> dict[str, list[int]]:
    shapes: dict[str, list[int]] = {}
    for file in sorted(os.listdir(folder)):
        if file.endswith(".safetensors"):
            shapes.update(_header(os.path.join(folder, file)))
    return shapes


def _header(path: str) -> dict[str, list[int]]:
    """A safetensors file begins with its header's length, then the header: `{name: {dtype, shape, data_offsets}}`."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    return {name: tensor["shape"] for name, tensor in header.items() if name != "__metadata__"}
