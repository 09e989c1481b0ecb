"""Runs the trainer as the agent does: a config file, a report pipe, a life pipe, a process group of its own."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

TRAINER = Path(__file__).resolve().parent.parent
FUNCTIONS = TRAINER.parent / "testing_functions"
TINY = {"kind": "builtin", "name": "anneal/tiny-llama"}
TINY_BERT = {"kind": "builtin", "name": "anneal/tiny-bert"}
EXACT = "def reward(completions, answer=None, **kwargs):\n    return [float(c[:1] < 'm') for c in completions]\n"


def sft_config(folder: Path, **changes) -> dict:
    """A few steps of SFT on a few sums; `h` in `changes` updates the hyperparameters."""
    rows = [{"prompt": f"{a}+{b}=", "completion": str(a + b)} for a in range(4) for b in range(4)]
    hyperparameters = {
        "learning_rate": 0.003,
        "num_epochs": 1,
        "max_steps": 6,
        "seed": 42,
        "batch_size": 4,
        "global_batch_size": 4,
        "max_seq_length": 32,
    }
    return _config(folder, "sft_text", rows, "prompt_completion", hyperparameters, changes)


def grpo_config(folder: Path, reward: str | list[str] = EXACT, **changes) -> dict:
    """A few steps of GRPO with the given reward source."""
    rows = [{"prompt": f"{a}+{b}=", "answer": str(a + b)} for a in range(4) for b in range(4)]
    hyperparameters = {
        "learning_rate": 0.001,
        "num_epochs": 1,
        "max_steps": 4,
        "seed": 42,
        "rollouts_per_prompt": 4,
        "global_batch_size": 8,
        "kl_coef": 0.01,
        "max_prompt_length": 16,
        "max_response_length": 3,
    }
    config = _config(folder, "grpo", rows, "prompt", hyperparameters, changes)
    sources = [reward] if isinstance(reward, str) else reward
    for index, source in enumerate(sources):
        (folder / f"reward{index}.py").write_text(source)
    config.setdefault(
        "functions",
        [
            {"id": f"rf_{i}", "name": f"fn{i}", "path": str(folder / f"reward{i}.py"), "format": "trl", "weight": 1}
            for i in range(len(sources))
        ],
    )
    return config


def row_config(folder: Path, method: str, rows: list, format: str, **changes) -> dict:
    """A few steps of classification, regression or embedding on the given rows."""
    hyperparameters = {
        "learning_rate": 0.003,
        "num_epochs": 1,
        "max_steps": 8,
        "seed": 42,
        "batch_size": 8,
        "global_batch_size": 8,
        "max_seq_length": 32,
    }
    return _config(folder, method, rows, format, hyperparameters, {"base_model": TINY_BERT, **changes})


def classification_config(folder: Path, kind: str = "multiclass", **changes) -> dict:
    """Which of three letters a text is made of; whether it has an a; which of a and b it has."""
    texts = [text for letter in "abc" for text in (letter * 3, letter * 6, f"{letter} {letter}", f"{letter}{letter}x")]
    rows = {
        "multiclass": [{"text": text, "label": text[0]} for text in texts],
        "binary": [{"prompt": text, "completion": {"has_a": int("a" in text)}} for text in texts],
        "multilabel": [
            {"text": a + b, "labels": sorted({a[0], b[0]} - {"c"})} for a, b in zip(texts, texts[2:], strict=False)
        ],
    }[kind]
    return row_config(folder, "classification", changes.pop("rows", rows), "text_label", **changes)


def regression_config(folder: Path, **changes) -> dict:
    """How much of a text is the letter a."""
    rows = [{"text": "a" * n + "b" * (12 - n), "score": n / 12} for n in range(13)]
    return row_config(folder, "regression", changes.pop("rows", rows), "text_score", **changes)


def embedding_config(folder: Path, **changes) -> dict:
    """Texts of one letter are alike, texts of two are not."""
    rows = [
        {"text1": first * 5, "text2": f"{second} {second}", "score": float(first == second)}
        for first in "abcd"
        for second in "abcd"
    ]
    return row_config(folder, "embedding", changes.pop("rows", rows), "text_pair_score", **changes)


def _config(folder: Path, method: str, rows: list, format: str, hyperparameters: dict, changes: dict) -> dict:
    path = folder / f"{method}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in changes.pop("rows", rows)))
    hyperparameters.update(changes.pop("h", {}))
    return {
        "version": 1,
        "job_id": "job_test",
        "attempt": 1,
        "task": "train",
        "method": method,
        "base_model": TINY,
        "dataset": {"path": str(path), "format": format},
        "output_dir": str(folder / "out"),
        "resume_from": None,
        "gpus": [],
        "torch_threads": 1,
        "resume_interval_seconds": 3600,
        "user_code": {"timeout_seconds": 5, "memory_bytes": 512 * 1024 * 1024, "output_bytes": 4096},
        "hyperparameters": hyperparameters,
        **changes,
    }


def planned(folder: Path, sources: dict[str, str | None], **changes) -> dict:
    """A config's `test` with these functions, by name; None as source is a shared one."""
    functions = []
    for name, source in sources.items():
        path = folder / f"{name}.py"
        path.write_text((FUNCTIONS / f"{name}.py").read_text() if source is None else source)
        functions.append({"id": f"fn_{name}", "name": name, "path": str(path), "format": "test"})
    plan = {"dataset": None, "split_percent": 25, "functions": functions, "checkpoints": [], "is_trained": False}
    return {**plan, **changes}


class Trainer:
    """One run of the trainer; lines are read as they come."""

    def __init__(self, folder: Path, config: dict, env: dict[str, str] | None = None):
        path = folder / "config.json"
        path.write_text(json.dumps(config))
        report, report_end = os.pipe()
        life_end, self.life = os.pipe()
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "ANNEAL_"))}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "anneal_trainer", str(path)],
            env={
                **clean,
                "PYTHONPATH": str(TRAINER),
                "ANNEAL_REPORT_FD": str(report_end),
                "ANNEAL_LIFE_FD": str(life_end),
                **(env or {}),
            },
            pass_fds=(report_end, life_end),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        os.close(report_end)
        os.close(life_end)
        self._report = os.fdopen(report, "r")
        self.lines: list[dict] = []
        self.output = ""
        self._drain = threading.Thread(target=self._read_output, daemon=True)
        self._drain.start()

    def _read_output(self) -> None:
        for line in self.process.stdout:
            self.output += line

    def until(self, type: str) -> dict:
        """Read on to the first line of this type."""
        for text in self._report:
            self.lines.append(json.loads(text))
            if self.lines[-1]["type"] == type:
                return self.lines[-1]
        raise AssertionError(f"no {type} line; the last are {self.lines[-3:]}\n{self.output[-3000:]}")

    def stop(self) -> None:
        """What the agent sends to have a checkpoint and an end."""
        os.kill(self.process.pid, signal.SIGTERM)

    def finish(self) -> int:
        """Read to the end; the exit code."""
        self.lines += [json.loads(text) for text in self._report]
        code = self.process.wait(timeout=60)
        self._drain.join(timeout=10)
        os.close(self.life)
        return code

    def of(self, type: str) -> list[dict]:
        return [line for line in self.lines if line["type"] == type]


def train(folder: Path, config: dict, env: dict[str, str] | None = None) -> Trainer:
    """A run to its end that must succeed."""
    trainer = Trainer(folder, config, env)
    code = trainer.finish()
    assert code == 0, (trainer.lines[-1:], trainer.output[-3000:])
    return trainer


def fail(folder: Path, config: dict, env: dict[str, str] | None = None) -> dict:
    """A run that must fail with exit 1 and one `failed` line, which is the answer."""
    trainer = Trainer(folder, config, env)
    code = trainer.finish()
    assert code == 1, (trainer.lines[-1:], trainer.output[-3000:])
    assert [line["type"] for line in trainer.lines].count("failed") == 1
    return trainer.lines[-1]


def weights(folder: str) -> str:
    """SHA-256 of a checkpoint's weights."""
    for name in ("model.safetensors", "adapter_model.safetensors"):
        if (path := Path(folder) / name).exists():
            return hashlib.sha256(path.read_bytes()).hexdigest()
    raise AssertionError(f"no weights in {folder}")
