"""The one decision how a job's processes hold its model: each whole (DDP), or in shares (FSDP)."""

from __future__ import annotations

from . import memory
from .config import Config, GrpoConfig
from .models import LORA_TARGETS
from .report import Reporter

_GIB = 2**30


def is_sharded(config: Config, folder: str, world_size: int, report: Reporter) -> bool:
    """True when the memory estimate says that DDP will not fit; the same on every rank, and said in a notice."""
    gpu_bytes = memory.smallest_gpu_bytes()
    # An encoder of texts is small, and FSDP does not know its modules.
    if world_size == 1 or gpu_bytes is None or config.method == "embedding":
        return False
    h = config.hyperparameters
    parameters = memory.count_parameters(folder)
    state = memory.TrainingState(
        parameters=parameters,
        trained=parameters if h.lora_rank is None else memory.count_adapter(folder, h.lora_rank, LORA_TARGETS),
        has_reference=isinstance(config, GrpoConfig) and config.hyperparameters.kl_coef > 0,
    )
    if not memory.needs_sharding(state, gpu_bytes, world_size):
        return False
    report.notice(
        f"One process would hold about {state.bytes() / _GIB:.1f} GiB of training state and the smallest GPU has "
        f"{gpu_bytes / _GIB:.1f} GiB: the {world_size} GPUs share it (FSDP)"
    )
    return True
