"""One job from its config to its last line: the shell that all methods share. Heavy imports happen here, in order."""

from __future__ import annotations

import gc
import os
import platform
import random

from . import base_models, environment, import_base, preprocess, sharding, tokenised
from .config import Config
from .failures import TrainerFailure
from .models import place_in_world
from .report import Reporter
from .stop import StopSwitch
from .testing import Stopped, Tests


def run(config: Config, report: Reporter, stop: StopSwitch) -> None:
    """Do the task; ends with `finished` or `stopped`, or raises."""
    token = _set_environment(config)
    os.makedirs(config.output_dir, exist_ok=True)
    if config.task == "import":
        _prepare_torch(config, on_gpu=False)
        _hide_bars()
        import_base.bring(config, token, _manifest(1), report, stop)
        return
    if config.task == "preprocess" and config.method == "grpo":
        raise TrainerFailure("trainer_error", "grpo makes its texts as it trains: there is nothing to preprocess")
    job = _method(config, report)
    try:
        job.read()
        if config.task == "preprocess":
            _preprocess(config, job, token, report, stop)
            return
        tests = _tests(config, job, report)
        if config.test is not None and config.test.is_trained:
            finished = _take_up(config, job, tests, token, report, stop)
        else:
            finished = _train(config, job, tests, token, report, stop)
        # The reward functions' processes have nothing more to do.
        job.close()
        if finished is not None and _test(config, job, tests, finished["step"], report, stop):
            report.send("finished", **finished)
    finally:
        job.close()


def _preprocess(config: Config, job, token: str | None, report: Reporter, stop: StopSwitch) -> None:
    _prepare_torch(config, on_gpu=False)
    folder = base_models.prepare(config.base_model, os.path.join(config.output_dir, "base-0"), token)
    _hide_bars()
    gc.enable()
    preprocess.preprocess(config, job, folder, _manifest(1), report, stop)


def _method(config: Config, report: Reporter):
    if config.method == "grpo":
        from .grpo import Grpo

        return Grpo(config, report)
    if config.method == "classification":
        from .classification import Classification

        return Classification(config, report)
    if config.method == "regression":
        from .regression import Regression

        return Regression(config, report)
    if config.method == "embedding":
        from .embedding import Embedding

        return Embedding(config, report)
    from .sft_text import SftText

    return SftText(config, report)


def _tests(config: Config, job, report: Reporter) -> Tests | None:
    """On the first rank: the tests that the job asks for; rows or functions that are no good fail before training."""
    if config.test is None or place_in_world()[0] > 0:
        return None
    seed = config.hyperparameters.seed
    tests = Tests(config.test, job.test_rows(), config.output_dir, config.user_code, seed, report)
    tests.check_functions()
    tests.keep_given()
    return tests


def _take_up(
    config: Config, job, tests: Tests | None, token: str | None, report: Reporter, stop: StopSwitch
) -> dict[str, object] | None:
    """As `_train`, for an attempt that finds its job trained: only tests are left, and only the first rank has them."""
    if tests is None:
        return None
    device = _prepare_torch(config, len(config.gpus) > 0)
    _hide_bars()
    conditions = _manifest(place_in_world()[1])
    stop.training_begins(tests.last_step)
    report.send(
        "started",
        total_steps=tests.last_step,
        resumed_from_step=tests.last_step,
        world_size=conditions["world_size"],
        device=device,
        versions=conditions["versions"],
    )
    if tests.need_base():
        job.base_folder = base_models.prepare(config.base_model, os.path.join(config.output_dir, "base-0"), token)
    return {"step": tests.last_step}


def _test(config: Config, job, tests: Tests | None, step: object, report: Reporter, stop: StopSwitch) -> bool:
    """False: it was stopped, and has said so."""
    if tests is None:
        return True
    _free_memory(len(config.gpus) > 0)
    try:
        tests.run(job.predict, _manifest(place_in_world()[1]), stop)
    except Stopped:
        report.send("stopped", step=step)
        return False
    return True


def _free_memory(on_gpu: bool) -> None:
    """What was trained is on disk: the models to test take its place."""
    import torch

    gc.unfreeze()
    gc.enable()
    gc.collect()
    if on_gpu:
        torch.cuda.empty_cache()


def _train(
    config: Config, job, tests: Tests | None, token: str | None, report: Reporter, stop: StopSwitch
) -> dict[str, object] | None:
    """What the last line is to say; None: it was stopped, and has said so."""
    rank, world_size = place_in_world()
    on_gpu = len(config.gpus) > 0
    device = _prepare_torch(config, on_gpu)
    folder = base_models.prepare(config.base_model, os.path.join(config.output_dir, f"base-{rank}"), token)

    from transformers import PrinterCallback, ProgressCallback, set_seed

    from .callbacks import ReportCallback
    from .checkpoints import ModelWriter
    from .evaluation import EvaluationCallback

    _hide_bars()
    h = config.hyperparameters
    # Before the model: an adapter's first weights are drawn when the trainer is built.
    set_seed(h.seed)
    is_sharded = sharding.is_sharded(config, folder, world_size, report)
    base = job.load(folder, on_gpu, world_size, is_sharded)
    job.base_folder = folder
    if config.preprocessed is not None and config.method != "grpo":
        present = tokenised.conditions(config, folder, job.examples())
        job.tokenised = tokenised.load(config.preprocessed, present, report)
        if job.tokenised is not None:
            report.notice("The rows come tokenised, from the preprocessed data")
    writer = ModelWriter(config.base_model, folder, config.output_dir, job.kind)
    best = EvaluationCallback(report, writer, config.eval, config.early_stop, config.resume_from)
    callback = ReportCallback(
        report,
        stop,
        writer,
        config.resume_interval_seconds,
        epochs=h.max_steps is None,
        save_steps=h.save_steps,
        tests=tests,
        manifest=_manifest(world_size),
        device=device,
        resume_from=config.resume_from,
        metrics_asked=config.eval and config.eval.metrics,
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
        return None
    job.check_end()
    finished: dict[str, object] = {"step": state.global_step}
    if best.best_step is None:
        callback.save_model("final", "final")
        # Without a best step it stops early when no comparison had a number.
        finished |= {"early_stopped": True} if best.stopped_early else {}
    else:
        callback.save_best(best)
        finished |= {"early_stopped": best.stopped_early, "best_step": best.best_step}
    return finished


def _set_environment(config: Config) -> str | None:
    """What the libraries read when they are imported. Takes the hub's token out of the environment and returns it."""
    environment.before_imports(config.gpus, config.torch_threads)
    if not base_models.needs_hub(config.base_model):
        environment.go_offline()
    return environment.take_hub_token()


def _prepare_torch(config: Config, on_gpu: bool) -> str:
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


def _hide_bars() -> None:
    """Bars are for terminals; here they would be lines of the user's log."""
    import datasets
    import transformers

    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()


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
