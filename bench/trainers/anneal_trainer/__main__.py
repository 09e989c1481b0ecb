"""A trainer that only tells the time: every metric says when it was written, by the clock that the reader has too.

Its script is the completion of the dataset's first row: `{"steps": 10, "mean_ms": 100}`.
Steps come at random intervals (exponential, a fixed seed), so that they keep no step with any timer of ours.
"""

import time

STARTED_AT_MS = time.time() * 1000

import json  # noqa: E402
import os  # noqa: E402
import random  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402

MANIFEST = {"world_size": 1, "torch_threads": 1, "versions": {"bench": "1"}}


def main() -> None:
    """One job, from `started` to `finished`."""
    threading.Thread(target=_end_with_the_agent, daemon=True).start()
    with open(sys.argv[1], encoding="utf-8") as file:
        config = json.load(file)
    with open(config["dataset"]["path"], encoding="utf-8") as file:
        script = json.loads(json.loads(file.readline())["completion"])
    steps, mean_ms = script["steps"], script["mean_ms"]
    say = _reporter(int(os.environ["ANNEAL_REPORT_FD"]))
    say("started", total_steps=steps, resumed_from_step=0, device="none", world_size=1, versions=MANIFEST["versions"])
    pause = random.Random(42)
    for step in range(1, steps + 1):
        if mean_ms > 0:
            time.sleep(pause.expovariate(1000 / mean_ms))
        values = {"process_started_ms": STARTED_AT_MS, "emitted_ms": time.time() * 1000}
        say("metrics", step=step, kind="train", values=values)
    folder = os.path.join(config["output_dir"], "final")
    os.makedirs(folder)
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        file.write("{}")
    say("checkpoint", kind="final", step=steps, epoch=1.0, dir=folder, **MANIFEST)
    say("finished", step=steps)


def _reporter(fd: int):
    def say(type: str, **fields: object) -> None:
        os.write(fd, json.dumps({"type": type, **fields}).encode() + b"\n")

    return say


def _end_with_the_agent() -> None:
    os.read(int(os.environ["ANNEAL_LIFE_FD"]), 1)
    os._exit(70)


main()
