"""`python -m anneal_server CONFIG.json`: pipes, signals, the port, and where a start that fails is told.

Models that are made or merged are kept beside the config file, in a folder that goes with it.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import socket
import sys
from importlib.metadata import version

_LIBRARIES = ("torch", "transformers", "peft", "sentence-transformers")
_SECONDS_FOR_LAST_WORDS = 1


def main(argv: list[str]) -> int:
    """Serve until SIGTERM, or until the agent is gone; returns the exit code of a start that failed."""
    if len(argv) != 2:
        print("usage: python -m anneal_server CONFIG.json", file=sys.stderr)
        return 2
    # As in the trainer: the collector walking what the imports make is a good part of their time.
    gc.disable()

    from anneal_trainer import life, sandbox
    from anneal_trainer.failures import TrainerFailure, classify
    from anneal_trainer.report import Reporter

    faulthandler.register(signal.SIGUSR1, all_threads=True)
    report = Reporter.from_environment()
    if "ANNEAL_LIFE_FD" in os.environ:
        life.watch(int(os.environ.pop("ANNEAL_LIFE_FD")))
    sandbox.hide_from_user_code()
    # Nothing is kept: whoever sends it has seen to it that no request is worked on, or wants an end.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        _serve(argv[1], report)
    except Exception as error:  # the only catch-all: every failure of a start is a `failed` line and exit 1
        failure = classify(error)
        if not isinstance(error, TrainerFailure):
            sys.excepthook(type(error), error, error.__traceback__)
        report.send("failed", message=failure.message)
        return 1
    return 0


def _serve(path: str, report) -> None:
    from anneal_trainer import environment
    from anneal_trainer.failures import TrainerFailure

    from . import config as configs

    try:
        config = configs.load(path)
    except (configs.ConfigError, OSError, ValueError) as error:
        raise TrainerFailure("trainer_error", f"The server's config could not be read: {error}") from error
    key = os.environ.pop("ANNEAL_SERVER_KEY", "")
    if key == "":
        raise TrainerFailure("trainer_error", "ANNEAL_SERVER_KEY is not set")
    environment.before_imports(config.gpus, config.torch_threads)
    token = environment.take_hub_token()

    import uvicorn

    from .app import make_app
    from .deployments import Deployments
    from .loading import Loader
    from .turns import Turns

    _prepare_libraries(config)
    folder = os.path.join(os.path.dirname(os.path.abspath(path)), "models")
    os.makedirs(folder, exist_ok=True)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1024)
        versions = {name: version(name) for name in _LIBRARIES}
        app = make_app(
            Deployments(Loader(config, folder, token)),
            Turns(config.max_active, config.max_queue),
            key,
            lambda: report.send("ready", port=listener.getsockname()[1], versions=versions),
        )
        settings = uvicorn.Config(
            app,
            lifespan="on",
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=_SECONDS_FOR_LAST_WORDS,
        )
        uvicorn.Server(settings).run(sockets=[listener])


def _prepare_libraries(config) -> None:
    import torch
    import transformers

    from anneal_trainer.failures import TrainerFailure

    if config.torch_threads is not None:
        torch.set_num_threads(config.torch_threads)
    if config.device == "cuda" and not torch.cuda.is_available():
        raise TrainerFailure("cuda_unavailable", "This server was given GPUs, and CUDA finds none that works")
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    # A thread that computes hands over sooner than by default: the other one sends what it made.
    sys.setswitchinterval(0.001)
    gc.enable()
    gc.freeze()


if __name__ == "__main__":
    code = main(sys.argv)
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that compute or load are not waited for.
    os._exit(code)
