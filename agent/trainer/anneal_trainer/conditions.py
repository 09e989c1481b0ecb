"""The conditions under which a resumed run ends bit-equal: written into each resume checkpoint, compared at a resume.

A difference does not stop the job: an approximate resume is worth more than none. It is told as an event.
"""

from __future__ import annotations

import json
import os

_FILE = "anneal_conditions.json"


def conditions(manifest: dict[str, object], device: str) -> dict[str, object]:
    """One flat dictionary: world size, threads, the device's name, and each library's version by its name."""
    return {
        "world_size": manifest["world_size"],
        "torch_threads": manifest["torch_threads"],
        "device": device,
        **manifest["versions"],  # type: ignore[dict-item]
    }


def write(folder: str, present: dict[str, object]) -> None:
    """Leave the conditions in a resume checkpoint's folder."""
    with open(os.path.join(folder, _FILE), "w", encoding="utf-8") as file:
        json.dump(present, file, indent=1, sort_keys=True)


def differences(folder: str, present: dict[str, object]) -> list[dict[str, object]]:
    """`{name, saved, now}` for each condition that is not what it was; null where one side does not have it."""
    path = os.path.join(folder, _FILE)
    saved: dict[str, object] = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            saved = json.load(file)
    return [
        {"name": name, "saved": saved.get(name), "now": present.get(name)}
        for name in sorted({*saved, *present})
        if saved.get(name) != present.get(name)
    ]
