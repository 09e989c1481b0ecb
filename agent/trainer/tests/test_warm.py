"""A trainer that did its imports before it was told its job: the same results, sooner."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

from trainer_process import TRAINER, grpo_config, sft_config, train, weights

HOST = {"gpus": [], "torch_threads": 1}


class Warm:
    """A waiting trainer, and what it says once it has a job."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "waiting").mkdir()
        report, report_end = os.pipe()
        life_end, self.life = os.pipe()
        self.orders, orders_end = socket.socketpair()
        self.orders.settimeout(120)
        pipes = {"ANNEAL_REPORT_FD": report_end, "ANNEAL_LIFE_FD": life_end, "ANNEAL_ORDER_FD": orders_end.fileno()}
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "ANNEAL_"))}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "anneal_trainer", "--warm", json.dumps(HOST)],
            env={**clean, "PYTHONPATH": str(TRAINER), **{name: str(fd) for name, fd in pipes.items()}},
            pass_fds=tuple(pipes.values()),
            cwd=folder / "waiting",
            stderr=(folder / "stderr").open("wb"),
            start_new_session=True,
        )
        for fd in (report_end, life_end):
            os.close(fd)
        orders_end.close()
        self._report = os.fdopen(report, "r")

    def run(self, config: dict, leave=None) -> list[dict]:
        """Give it the job; its lines to the end, with the seconds since the order. `leave` is called as the agent
        clears the folders of the wait: once the order's descriptor is closed."""
        path = self.folder / "config.json"
        path.write_text(json.dumps(config))
        order = {"config": str(path), "cwd": str(self.folder), "env": {"TMPDIR": str(self.folder)}}
        began = time.monotonic()
        self.orders.sendall(json.dumps(order).encode() + b"\n")
        if leave is not None:
            assert b"" in iter(lambda: self.orders.recv(64), None)
            leave()
        lines = [{**json.loads(line), "seconds": time.monotonic() - began} for line in self._report]
        assert self.process.wait(timeout=60) == 0, lines[-1:]
        return lines


def losses(lines: list[dict]) -> list[float]:
    return [line["values"]["loss"] for line in lines if line["type"] == "metrics" and line["kind"] == "train"]


def final(lines: list[dict]) -> str:
    return weights(next(line["dir"] for line in lines if line["type"] == "checkpoint" and line["kind"] == "final"))


def test_the_same_results_to_the_bit_and_sooner(tmp_path, capsys):
    cold_folder, warm_folder = tmp_path / "cold", tmp_path / "warm"
    cold_folder.mkdir()
    warm_folder.mkdir()
    began = time.monotonic()
    cold = train(cold_folder, grpo_config(cold_folder), {"OMP_NUM_THREADS": "1"})
    cold_seconds = time.monotonic() - began
    warm = Warm(warm_folder)
    assert warm.orders.recv(100) == b"ready\n"
    os.kill(warm.process.pid, signal.SIGUSR1)
    lines = warm.run(grpo_config(warm_folder))
    assert "most recent call first" in (warm_folder / "stderr").read_text()
    with capsys.disabled():
        print(f"\nfrom config to the end: warm {lines[-1]['seconds']:.2f} s, cold {cold_seconds:.2f} s")
    assert losses(lines) == losses(cold.lines)
    assert final(lines) == final(cold.lines)
    assert lines[-1]["seconds"] < cold_seconds / 2


def test_a_job_that_comes_during_the_imports_is_taken(tmp_path):
    warm = Warm(tmp_path)
    lines = warm.run(sft_config(tmp_path), leave=lambda: shutil.rmtree(tmp_path / "waiting"))
    assert lines[-1]["type"] == "finished"


def test_it_ends_when_no_job_is_to_come(tmp_path):
    warm = Warm(tmp_path)
    warm.orders.close()
    assert warm.process.wait(timeout=60) == 0


def test_it_ends_with_its_agent(tmp_path):
    warm = Warm(tmp_path)
    os.close(warm.life)
    assert warm.process.wait(timeout=60) == -9
