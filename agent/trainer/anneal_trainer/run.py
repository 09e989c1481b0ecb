"""One job from its config to its last line: the shell that all methods share. Heavy imports happen here, in order."""

from __future__ import annotations

import gc
import os
import platform
import random

from . import base_models, environment, sharding
from .config import GrpoConfig, SftTextConfig
from .failures import TrainerFailure
from .report import Reporter
from .stop import StopSwitch


def run(config: GrpoConfig | SftTextConfig, report: Reporter, stop: StopSwitch) -> None:
    """Train; ends with `finished` or `stopped`, or raises."""
    token = _set_environment(config)
    job = _method(config, report)
    try:
        os.makedirs(config.output_dir, exist_ok=True)
        job.read()
        _train(config, job, token, report, stop)
    finally:
        job.close()


def _method(config: GrpoConfig | SftTextConfig, report: Reporter):
    if isinstance(config, GrpoConfig):
        from .grpo import Grpo

        return Grpo(config, report)
    from .sft_text import SftText

    return SftText(config, report)


def _train(config: GrpoConfig | SftTextConfig, job, token: str | None, report: Reporter, stop: StopSwitch) -> None:
    from .models import load, place_in_world

    rank, world_size = place_in_world()
    on_gpu = len(config.gpus) > 0
    device = _prepare_torch(config, on_gpu)
    folder = base_models.prepare(config.base_model, os.path.join(config.output_dir, f"base-{rank}"), token)

    import datasets
    import transformers
    from transformers import PrinterCallback, ProgressCallback, set_seed

    from .callbacks import ReportCallback
    from .checkpoints import ModelWriter
    from .evaluation import EvaluationCallback

    # Bars are for terminals; here they would be lines of the user's log.
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    h = config.hyperparameters
    # Before the model: an adapter's first weights are drawn when the trainer is built.
    set_seed(h.seed)
    is_sharded = sharding.is_sharded(config, folder, world_size, report)
    base = load(folder, on_gpu, h.lora_rank is not None, world_size, is_sharded)
    writer = ModelWriter(config.base_model, folder, config.output_dir)
    best = EvaluationCallback(report, writer, config.eval, config.early_stop, config.resume_from)
    callback = ReportCallback(
        report,
        stop,
        writer,
        config.resume_interval_seconds,
        epochs=h.max_steps is None,
        manifest=_manifest(world_size),
        device=device,
        resume_from=config.resume_from,
    )
    trainer = job.make_trainer(base, callback)
    # Ahead of the reports: what it keeps is in a resume checkpoint before that is announced.
    trainer.callback_handler.callbacks.insert(0, best)
    best.trainer = callback.trainer = trainer
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    gc.enable()
    # What the imports made stays; walking it at every collection costs and frees nothing.
    gc.freeze()
    trainer.train(resume_from_checkpoint=config.resume_from)
    state = trainer.state
    if state.global_step < state.max_steps and not best.stopped_early:
        if not stop.requested:
            raise TrainerFailure("trainer_error", f"Training ended at step {state.global_step} of {state.max_steps}")
        report.send("stopped", step=state.global_step)
        return
    job.check_end()
    if best.best_step is None:
        callback.save_model("final", "final")
        # Without a best step it stops early when no comparison had a number.
        report.send("finished", step=state.global_step, **({"early_stopped": True} if best.stopped_early else {}))
        return
    callback.save_best(best)
    report.send("finished", step=state.global_step, early_stopped=best.stopped_early, best_step=best.best_step)


def _set_environment(config: GrpoConfig | SftTextConfig) -> str | None:
    """What the libraries read when they are imported. Takes the hub's token out of the environment and returns it."""
    environment.before_imports(config.gpus, config.torch_threads)
    if config.base_model.kind != "hub":
        environment.go_offline()
    return environment.take_hub_token()


def _prepare_torch(config: GrpoConfig | SftTextConfig, on_gpu: bool) -> str:
    """Threads and determinism; the answer is the device's name."""
    import torch

    if config.torch_threads is not None:
        torch.set_num_threads(config.torch_threads)
    if on_gpu:
        if not torch.cuda.is_available():
            raise TrainerFailure("cuda_unavailable", "This job was given GPUs, and CUDA finds none that works")
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        return torch.cuda.get_device_name()
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Filling new tensors with NaN finds reads of unset memory in tests of torch itself; here it only costs time.
    torch.utils.deterministic.fill_uninitialized_memory = False
    random.seed(config.hyperparameters.seed)
    return "cpu"


def _manifest(world_size: int) -> dict[str, object]:
    """The conditions of an exact resume, as a checkpoint line has them."""
    import peft
    import torch
    import transformers
    import trl

    return {
        "world_size": world_size,
        "torch_threads": torch.get_num_threads(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "trl": trl.__version__,
            "peft": peft.__version__,
        },
    }
