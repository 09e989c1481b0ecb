"""`python -m anneal_trainer CONFIG.json`: pipes, signals, and the one place where a failure becomes a line.

`python -m anneal_trainer --warm HOST` does the imports first and is told its config later (see `warm`).
"""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import sys


def main(argv: list[str]) -> int:
    """Run one job; returns the process's exit code."""
    is_warm = len(argv) == 3 and argv[1] == "--warm"
    if len(argv) != 2 and not is_warm:
        print("usage: python -m anneal_trainer CONFIG.json | --warm HOST", file=sys.stderr)
        return 2
    # The collector walking what the heavy imports make is 10 to 30 % of their time: it runs again, over
    # what comes after them, from `run.train` on.
    gc.disable()

    from . import config as configs
    from . import life, sandbox, warm
    from .failures import TrainerFailure, classify
    from .report import Reporter
    from .stop import StopSwitch

    # Whoever finds this process hanging asks where; the handler needs no Python code to run.
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    report = Reporter.from_environment()
    life_fd = int(os.environ.pop("ANNEAL_LIFE_FD")) if "ANNEAL_LIFE_FD" in os.environ else None
    if life_fd is not None:
        life.watch(life_fd)
    sandbox.hide_from_user_code()
    stop = StopSwitch(report)
    try:
        path = warm.wait_for_job(argv[2]) if is_warm else argv[1]
        try:
            config = configs.load(path)
        except (configs.ConfigError, OSError, ValueError) as error:
            raise TrainerFailure("trainer_error", f"The trainer's config could not be read: {error}") from error
        if config.task == "train" and len(config.gpus) > 1 and "RANK" not in os.environ:
            from .launch import launch

            return launch(path, len(config.gpus), stop, report.fd, life_fd)

        from .run import run

        run(config, report, stop)
    except Exception as error:  # the only catch-all: every failure is a `failed` line and exit 1
        failure = classify(error)
        if not isinstance(error, TrainerFailure):
            sys.excepthook(type(error), error, error.__traceback__)
        report.failed(failure.reason, failure.message)
        sys.stdout.flush()
        sys.stderr.flush()
        # Not a return: TRL's and torch's threads must not be able to keep a failed trainer alive.
        os._exit(1)
    return 0


if __name__ == "__main__":
    code = main(sys.argv)
    sys.stdout.flush()
    sys.stderr.flush()
    # Interpreter shutdown would only free what the kernel frees anyway.
    os._exit(code)
