"""A task of kind `preprocess`: parse, check, divide and tokenise what will be trained on, and leave it as a cache."""

from __future__ import annotations

import os

from . import tokenised
from .config import RowConfig
from .report import Reporter
from .stop import StopSwitch

# A chunk has a fixed cost in the libraries, and between two nothing is told.
MIN_CHUNK_ROWS, MAX_CHUNK_ROWS = 1000, 50_000
CHUNKS = 20


def preprocess(
    config: RowConfig, job, base_folder: str, manifest: dict[str, object], report: Reporter, stop: StopSwitch
) -> None:
    """Tokenise the rows that `job` has read; ends with `finished` or `stopped`, or raises. A step is a row."""
    examples = job.examples()
    total = sum(map(len, examples))
    report.send(
        "started",
        total_steps=total,
        resumed_from_step=0,
        world_size=manifest["world_size"],
        device="cpu",
        versions=manifest["versions"],
    )
    encode = job.encoder(base_folder)
    done = 0
    parts: dict[str, list] = {}
    for name, rows in zip(tokenised.PARTS, examples, strict=True):
        size = min(max(MIN_CHUNK_ROWS, -(-len(rows) // CHUNKS)), MAX_CHUNK_ROWS)
        for start in range(0, len(rows), size):
            if stop.requested:
                report.send("stopped", step=0)
                return
            chunk = rows[start : start + size]
            parts.setdefault(name, []).append(encode(chunk))
            done += len(chunk)
            report.send("progress", step=done, total_steps=total, epoch=0.0)
    job.check_kept(*(sum(map(len, parts.get(name, []))) for name in tokenised.PARTS))
    folder = os.path.join(config.output_dir, "cache")
    present = tokenised.conditions(config, base_folder, examples)
    counts = tokenised.write(folder, config, present, parts)
    told = " and ".join(f"{count['rows']} rows ({count['tokens']} tokens) for {n}" for n, count in counts.items())
    report.notice(f"Tokenised {told}")
    report.send("checkpoint", kind="final", step=0, epoch=0.0, dir=folder, **manifest)
    report.send("finished", step=total)
