"""The tokenised data of a `preprocess` task: a folder that training takes in place of tokenising, when it fits.

It fits when all that tokens follow from is the same: the rows after every draw, what describes the base (its tokenizer
and configuration), the lengths, and the libraries. Then training on it is training without it, to the bit.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass

from .base_models import files_of, name_of
from .config import RowConfig
from .report import Reporter

DESCRIPTION_FILE = "cache.json"
PARTS = ("train", "eval")
LIBRARIES = ("datasets", "sentence-transformers", "tokenizers", "transformers", "trl")
# Of what `conditions` has, as a notice names it.
_WORDS = {
    "version": "format of the cache",
    "method": "method",
    "max_seq_length": "max_seq_length",
    "base_sha256": "base model",
    "rows_sha256": "rows",
    "libraries": "library versions",
}

Examples = tuple[Sequence[object], Sequence[object]]


@dataclass(frozen=True)
class Tokenised:
    """Datasets as a method's trainer takes them; `evaluate` is None when nothing is evaluated."""

    train: object
    evaluate: object | None


def conditions(config: RowConfig, base_folder: str, examples: Examples) -> dict[str, object]:
    """All that the tokens of a job follow from; `examples` are the rows to train on and those to evaluate on."""
    return {
        "version": 1,
        "method": config.method,
        "max_seq_length": config.hyperparameters.max_seq_length,
        "base_sha256": _hash_of_base(base_folder),
        "rows_sha256": _hash_of_rows(examples),
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }


def write(folder: str, config: RowConfig, present: dict[str, object], parts: dict[str, list]) -> dict[str, dict]:
    """Write each part's datasets as one, and the description; the answer is each part's rows and tokens."""
    from datasets import concatenate_datasets

    os.makedirs(folder)
    counts = {}
    for name, chunks in parts.items():
        whole = concatenate_datasets(chunks)
        whole.save_to_disk(os.path.join(folder, name))
        counts[name] = {"rows": len(whole), "tokens": _count_tokens(whole)}
    base = name_of(config.base_model)
    with open(os.path.join(folder, DESCRIPTION_FILE), "w", encoding="utf-8") as file:
        json.dump({**present, "base": base, "counts": counts}, file, indent=1, sort_keys=True)
    return counts


def load(folder: str, present: dict[str, object], report: Reporter) -> Tokenised | None:
    """The data of a folder; None, with a notice, when it is not what this job would make of its rows."""
    from datasets import load_from_disk

    try:
        with open(os.path.join(folder, DESCRIPTION_FILE), encoding="utf-8") as file:
            saved = json.load(file)
        other = [word for name, word in _WORDS.items() if saved.get(name) != present[name]]
        if not other:
            made = {name: load_from_disk(os.path.join(folder, name)) for name in PARTS if name in saved["counts"]}
            return Tokenised(made["train"], made.get("eval"))
        why = f"was made for another {', '.join(other)}"
    except (OSError, ValueError, KeyError) as error:
        why = f"cannot be read ({type(error).__name__})"
    report.notice(f"The preprocessed data {why}: the rows are tokenised here")
    return None


def _count_tokens(dataset) -> int:
    import pyarrow.compute as arrow

    names = [name for name in dataset.column_names if name.endswith("input_ids")]
    return sum(arrow.sum(arrow.list_value_length(dataset.data.column(name))).as_py() or 0 for name in names)


def _hash_of_rows(examples: Examples) -> str:
    told = hashlib.sha256()
    for name, rows in zip(PARTS, examples, strict=True):
        told.update(f"{name} {len(rows)}\n".encode())
        for row in rows:
            told.update(repr(row).encode())
    return told.hexdigest()


def _hash_of_base(folder: str) -> str:
    """Of every file that is not weights: tokenizer, chat template, configuration."""
    told = hashlib.sha256()
    for name in files_of(folder):
        if not name.endswith((".safetensors", ".safetensors.index.json")):
            with open(os.path.join(folder, name), "rb") as file:
                told.update(f"{name} {hashlib.sha256(file.read()).hexdigest()}\n".encode())
    return told.hexdigest()
