"""The process that user code runs in: `reward_runner.py RESPONSE_FD PARENT_PID`, requests on stdin, one JSON a line.

First comes `{path, name, format, memory_bytes, uid}`, answered when this process is confined and the file is loaded;
then calls. Standard library only, and started by path, so that nothing of the trainer is in here. What user code prints
goes to stdout, which the parent cuts.
"""

import asyncio
import inspect
import json
import os
import random
import resource
import signal
import sys
import traceback
import types

import landlock  # type: ignore[import-not-found]
import libraries  # type: ignore[import-not-found]
import sandbox  # type: ignore[import-not-found]

sys.path.pop(0)  # this folder: user code must not import the trainer's modules by accident

MAX_FLOAT32 = 3.4028234663852886e38  # a score beyond it would be infinite in the trainer
MAX_DETAIL = 500


def main() -> None:
    """Serve calls until the parent closes the requests."""
    responses, parent = int(sys.argv[1]), int(sys.argv[2])
    sandbox.die_with_parent(parent)
    # A stop is the trainer's business: the step that it saves still wants its scores.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests = os.fdopen(os.dup(0), "rb")
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)

    def answer(value: dict) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        left = memoryview(json.dumps(value).encode() + b"\n")
        while left:
            left = left[os.write(responses, left) :]

    first = json.loads(requests.readline())
    path = first["path"]
    try:
        confine(first["memory_bytes"], first["uid"], parent)
    except OSError as error:
        answer({"unconfined": str(error)})
        return
    try:
        reward = load_named(path, first["name"]) if first["format"] == "test" else load(path)
    except BaseException as error:  # user code may raise anything, SystemExit too
        answer({"error": describe(error, path)})
        return
    answer({"function": getattr(reward, "__name__", "reward")})
    for line in requests:
        request = json.loads(line)
        seed(request["seed"])
        limit_cpu(request["timeout_seconds"])
        answer(call(reward, request, path))


def confine(memory_bytes: int, uid: int | None, parent: int) -> None:
    """All that this host offers, in the one order in which no step stands in another's way."""
    scratch = os.getcwd()
    sandbox.limit(memory_bytes, own_uid=uid is not None)
    rules = None
    if landlock.abi() > 0:
        rules = landlock.ruleset([*libraries.folders(), *libraries.SYSTEM], [scratch, os.devnull])
    if uid is not None:
        if libraries.hidden() is not None:
            libraries.hold_open()
        sandbox.become(uid)
        sandbox.die_with_parent(parent)
    sandbox.give_up_privileges()
    if rules is not None:
        landlock.enforce(rules)
    sandbox.filter_system_calls()


def load_named(path: str, name: str):
    """The function `name` of the user's file, as testing functions are called."""
    named = execute(path).__dict__.get(name)
    if not callable(named):
        raise AttributeError(f"the file defines no function `{name}`")
    return named


def load(path: str):
    """`reward` of the user's file, or the first public callable defined in it, by name."""
    module = execute(path)
    named = module.__dict__.get("reward")
    if callable(named):
        return named
    for name in sorted(vars(module)):
        value = vars(module)[name]
        if not name.startswith("_") and callable(value) and getattr(value, "__module__", None) == module.__name__:
            return value
    raise AttributeError("the file defines no function `reward`")


def execute(path: str) -> types.ModuleType:
    """The user's file as a module."""
    with open(path, "rb") as file:
        source = file.read()
    module = types.ModuleType("reward_function")
    module.__file__ = path
    sys.modules[module.__name__] = module
    exec(compile(source, path, "exec"), module.__dict__)
    return module


def seed(value: str) -> None:
    """Seed what is loaded; a module that user code has not imported is not imported for this."""
    random.seed(value)
    number = random.Random(value).getrandbits(32)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(number)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(number)


def limit_cpu(seconds: float) -> None:
    """CPU time for this call, on top of what is used; the parent's clock is the bound that user code cannot raise."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime + seconds) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


def call(reward, request: dict, path: str) -> dict:
    """Scores aligned with the samples, None for what is masked, and why."""
    if request["format"] == "miles":
        results = asyncio.run(call_each(reward, miles_calls(request["arguments"], request["row_columns"]), path))
    elif request["format"] == "test":
        results = asyncio.run(call_each(reward, request["samples"], path))
    else:
        count = len(request["arguments"]["completions"])
        try:
            returned = call_trl(reward, request["arguments"])
        except BaseException as error:
            return whole(count, "exception", describe(error, path))
        if not isinstance(returned, (list, tuple)) and hasattr(returned, "tolist"):
            returned = returned.tolist()
        if not isinstance(returned, (list, tuple)):
            return whole(count, "wrong_type", f"returned {type(returned).__name__}, not a list of numbers")
        if len(returned) != count:
            return whole(count, "wrong_length", f"returned {len(returned)} scores for {count} completions")
        results = [check(value) for value in returned]
    masked: dict = {}
    for _, reason, detail in results:
        if reason is not None:
            entry = masked.setdefault(reason, {"reason": reason, "count": 0, "detail": detail})
            entry["count"] += 1
    return {"scores": [score for score, _, _ in results], "masked": list(masked.values())}


def call_trl(reward, arguments: dict):
    """As TRL calls it; arguments that the function has no room for are left out."""
    parameters = inspect.signature(reward).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        arguments = {name: value for name, value in arguments.items() if name in parameters}
    returned = reward(**arguments)
    return asyncio.run(wait(returned)) if inspect.isawaitable(returned) else returned


async def wait(awaitable):
    """asyncio.run takes coroutines only."""
    return await awaitable


def miles_calls(arguments: dict, row_columns: list):
    """What each sample's call gets: `args`, empty here, and `sample` with prompt, response, label and metadata."""
    for prompt, completion, columns in zip(arguments["prompts"], arguments["completions"], row_columns, strict=True):
        sample = types.SimpleNamespace(
            prompt=prompt,
            response=completion if isinstance(completion, str) else completion[-1]["content"],
            label=columns.get("label", columns.get("answer")),
            metadata=columns,
        )
        yield types.SimpleNamespace(), sample


async def call_each(reward, calls, path: str) -> list:
    """One sample a call, in order."""
    results = []
    for arguments in calls:
        try:
            returned = reward(*arguments)
            results.append(check(await returned if inspect.isawaitable(returned) else returned))
        except BaseException as error:
            results.append((None, "exception", describe(error, path)))
    return results


def check(value) -> tuple:
    """(score, None, None), or (None, reason, detail)."""
    if value is None:
        return None, "none", "returned None"
    if isinstance(value, (str, bytes)):
        return None, "wrong_type", f"returned {type(value).__name__}, not a number"
    try:
        score = float(value)
    except BaseException:
        return None, "wrong_type", f"returned {type(value).__name__}, not a number"
    if score != score:
        return None, "nan", "returned NaN"
    if abs(score) > MAX_FLOAT32:
        return None, "infinite", "returned an infinite score"
    return score, None, None


def whole(count: int, reason: str, detail: str) -> dict:
    """Every sample of a call masked for one reason."""
    return {"scores": [None] * count, "masked": [{"reason": reason, "count": count, "detail": detail}]}


def describe(error: BaseException, path: str) -> str:
    """`ValueError: words (line 3)`: the last line of the user's file on the way to the error."""
    if isinstance(error, SyntaxError) and error.filename == path:
        where = f" (line {error.lineno})"
    else:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
        where = f" (line {lines[-1]})" if lines else ""
    try:
        words = error.msg if isinstance(error, SyntaxError) else str(error)
    except BaseException:
        words = "its message cannot be read"
    return f"{type(error).__name__}: {words[: MAX_DETAIL - 100]}{where}"


if __name__ == "__main__":
    main()
