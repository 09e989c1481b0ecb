"""Real training on the tiny model: lines, checkpoints, exact resumes, ends."""

import json
import os
from pathlib import Path

import pytest
from in_process import checkpoints, losses, run_here
from trainer_process import EXACT, Trainer, fail, grpo_config, sft_config, train, weights

from anneal_trainer.failures import TrainerFailure

EVERY_STEP = 1e-9  # a resume interval that is always over


def test_sft_tells_everything_and_its_model_loads(tmp_path):
    # By epochs: 16 rows are 4 steps; two epochs leave one epoch checkpoint, and the final one is the last.
    lines = run_here(tmp_path, sft_config(tmp_path, h={"max_steps": None, "num_epochs": 2}))
    assert lines[0]["type"] == "started" and lines[0]["total_steps"] == 8 and lines[0]["resumed_from_step"] == 0
    assert lines[-1] == {"type": "finished", "step": 8}
    steps = losses(lines)
    assert sorted(steps) == list(range(1, 9)) and all({"loss", "learning_rate"} <= set(v) for v in steps.values())
    assert steps[8]["loss"] < steps[1]["loss"]
    assert [line["step"] for line in lines if line["type"] == "progress"] == list(range(1, 9))
    assert set(checkpoints(lines, "epoch")) == {4} and set(checkpoints(lines, "final")) == {8}
    final = checkpoints(lines, "final")[8]
    assert "adapter_dir" not in final and final["world_size"] == 1 and final["versions"]["trl"]
    assert_loads(final["dir"])


def test_the_built_in_model_has_its_recorded_bytes(tmp_path):
    from anneal_trainer.tiny_models import make_tiny_llama

    make_tiny_llama(str(tmp_path))
    # A change of this value is a new base model: every checkpoint hash that builds on it changes too.
    assert weights(str(tmp_path)).startswith("74099185334a")


def test_a_lora_job_leaves_a_merged_model_and_an_adapter(tmp_path):
    lines = run_here(tmp_path, sft_config(tmp_path, h={"lora_rank": 4, "lora_alpha": 8, "lora_dropout": 0.1}))
    final = checkpoints(lines, "final")[6]
    assert_loads(final["dir"])
    assert "model.safetensors" in os.listdir(final["dir"])
    adapter = json.loads((Path(final["adapter_dir"]) / "adapter_config.json").read_text())
    assert adapter["r"] == 4 and len(adapter["target_modules"]) == 7
    assert adapter["base_model_name_or_path"] == "anneal/tiny-llama"
    # What was merged is what the adapter gives.
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    ids = torch.arange(10).unsqueeze(0)
    base = AutoModelForCausalLM.from_pretrained(str(tmp_path / "out" / "base-0"))
    with torch.no_grad():
        merged = AutoModelForCausalLM.from_pretrained(final["dir"])(ids).logits
        adapted = PeftModel.from_pretrained(base, final["adapter_dir"]).eval()(ids).logits
    assert torch.allclose(merged, adapted, atol=1e-5)


def test_grpo_tells_rewards_and_samples(tmp_path):
    lines = run_here(tmp_path, grpo_config(tmp_path))
    assert lines[-1] == {"type": "finished", "step": 4}
    for values in losses(lines).values():
        assert {"loss", "reward", "kl", "learning_rate", "rewards/reward/mean"} <= set(values)
    sample = next(line for line in lines if line["type"] == "samples")
    assert 0 < len(sample["rows"]) <= 16 and "=" in sample["rows"][0]["prompt"]


def test_long_prompts_are_dropped_with_a_notice_and_few_repeat(tmp_path):
    rows = [{"prompt": "1+1="}, {"prompt": "x" * 50}]
    lines = run_here(tmp_path, grpo_config(tmp_path, rows=rows, h={"max_steps": 1}))
    notices = [line["message"] for line in lines if line["type"] == "notice"]
    assert any("Dropped 1 of 2 rows" in notice for notice in notices)
    assert any("they repeat within a step" in notice for notice in notices)
    with pytest.raises(TrainerFailure, match="longer than max_prompt_length") as caught:
        run_here(tmp_path, grpo_config(tmp_path, rows=rows, h={"max_prompt_length": 2}))
    assert caught.value.reason == "invalid_dataset"


def test_chats_and_a_system_prompt_train(tmp_path):
    lines = run_here(
        tmp_path,
        grpo_config(tmp_path, CHAT_REWARD, h={"max_steps": 1, "system_prompt": "add", "max_prompt_length": 64}),
    )
    assert losses(lines)[1]["reward"] == 1.0
    assert next(line for line in lines if line["type"] == "samples")["rows"][0]["prompt"].startswith("system: add")


CHAT_REWARD = """
def reward(prompts, completions, **kwargs):
    ok = all(c[0]["role"] == "assistant" for c in completions) and prompts[0][0]["role"] == "system"
    return [float(ok)] * len(completions)
"""


def test_weights_and_masks_of_several_functions(tmp_path):
    some = "def reward(completions, **k):\n    return [None if i == 0 else 2.0 for i in range(len(completions))]\n"
    config = grpo_config(tmp_path, [EXACT, some], h={"max_steps": 1})
    for function, weight in zip(config["functions"], (0.0, 3.0), strict=True):
        function["weight"] = weight
    lines = run_here(tmp_path, config)
    assert losses(lines)[1]["reward"] == 6.0
    [event] = [line["metadata"] for line in lines if line["type"] == "event"]
    assert event == {"step": 1, "function": "fn1", "count": 1, "reason": "none", "detail": "returned None"}


@pytest.mark.parametrize("body", ["raise ValueError('never')", "return [None] * len(completions)", "return []"])
def test_three_batches_without_a_score_end_the_job(tmp_path, body):
    config = grpo_config(tmp_path, f"def reward(completions, **kwargs):\n    {body}\n", h={"max_steps": 9})
    with pytest.raises(TrainerFailure, match="3 batches in a row") as caught:
        run_here(tmp_path, config)
    assert caught.value.reason == "reward_failure"


HOSTILE = """
import glob, os, signal, socket
ATTEMPTS = [
    lambda: socket.create_connection(("127.0.0.1", 9)),
    lambda: os.kill(os.getppid(), signal.SIGKILL),
    lambda: os.fork(),
    lambda: open(f"/proc/{os.getppid()}/environ").read(),
    lambda: bytearray(3 << 30),
]
def reward(completions, **kwargs):
    results = []
    for attempt in ATTEMPTS:
        try:
            attempt()
        except (OSError, MemoryError) as error:
            results.append(error)
    assert len(results) == len(ATTEMPTS), "something got through"
    print("the token is", os.environ.get("HF_TOKEN"), glob.glob("/proc/*/environ"))
    return [None if completion[:1] < "g" else float(completion[:1] < "p") for completion in completions]
"""


def test_hostile_code_trains_on_and_only_its_own_samples_are_masked(tmp_path):
    done = train(tmp_path, grpo_config(tmp_path, HOSTILE, h={"max_steps": 2}), {"HF_TOKEN": "hf-secret"})
    masked = [line["metadata"] for line in done.of("event") if line["event_type"] == "sample_masked"]
    assert {one["reason"] for one in masked} <= {"none"}
    assert done.lines[-1]["type"] == "finished"
    assert "the token is None" in done.output and "hf-secret" not in done.output + str(done.lines)


def test_a_loss_that_is_not_a_number_ends_the_job(tmp_path):
    with pytest.raises(TrainerFailure, match="became nan at step") as caught:
        run_here(tmp_path, sft_config(tmp_path, h={"learning_rate": 9e37, "max_steps": 20}))
    assert caught.value.reason == "nan_loss"


def test_a_model_without_a_chat_template_cannot_train_chats(tmp_path):
    from anneal_trainer.tiny_models import make_tiny_llama

    make_tiny_llama(str(tmp_path / "base"))
    (tmp_path / "base" / "chat_template.jinja").unlink()
    config = sft_config(tmp_path, base_model={"kind": "path", "path": str(tmp_path / "base")}, h={"system_prompt": "S"})
    with pytest.raises(TrainerFailure, match="no chat template") as caught:
        run_here(tmp_path, config)
    assert caught.value.reason == "dataset_format_incompatible"


def assert_loads(folder):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    made = model.generate(**tokenizer("1+1=", return_tensors="pt"), max_new_tokens=2, do_sample=False)
    assert torch.is_tensor(made)
    assert not any(name.endswith((".bin", ".pt", ".md")) for name in os.listdir(folder))


def test_sigterm_saves_stops_and_the_job_goes_on_from_there(tmp_path):
    config = sft_config(tmp_path, h={"max_steps": 5000})
    trainer = Trainer(tmp_path, config)
    trainer.until("metrics")
    trainer.stop()
    assert trainer.finish() == 0
    saved, stopped = trainer.lines[-2:] if trainer.lines[-2]["type"] == "checkpoint" else trainer.lines[-3::2]
    assert stopped["type"] == "stopped" and saved["kind"] == "resume" and saved["step"] == stopped["step"] < 5000
    config = {**config, "resume_from": saved["dir"]}
    resumed = Trainer(tmp_path, config)
    assert resumed.until("started")["resumed_from_step"] == stopped["step"]
    # The other end: the agent is gone, and so is the trainer.
    os.close(resumed.life)
    resumed.life = os.open(os.devnull, os.O_RDONLY)
    assert resumed.process.wait(timeout=5) == -9


def test_the_life_pipe_ends_a_hung_reward_function_too(tmp_path):
    source = HANGS
    limits = {"timeout_seconds": 999, "memory_bytes": 2**29, "output_bytes": 4096}
    trainer = Trainer(tmp_path, grpo_config(tmp_path, source, user_code=limits))
    trainer.until("started")
    while "PID" not in trainer.output:
        trainer._drain.join(0.05)
    pid = int(trainer.output.split("PID")[1].split()[0])
    os.close(trainer.life)
    trainer.life = os.open(os.devnull, os.O_RDONLY)
    assert trainer.process.wait(timeout=5) == -9
    trainer._drain.join(5)
    assert is_over(pid)


HANGS = """
import os, time

def reward(completions, **kwargs):
    print("PID", os.getpid(), flush=True)
    time.sleep(999)
"""


def is_over(pid):
    """Gone, or dead and waiting for whoever inherited it to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_process_that_fails_says_so_and_exits_1(tmp_path):
    config = grpo_config(tmp_path, "def reward(:\n")
    assert fail(tmp_path, config)["reason"] == "user_code"
    config = {**sft_config(tmp_path), "base_model": {"kind": "builtin", "name": "anneal/none"}}
    assert fail(tmp_path, config)["reason"] == "base_model_unavailable"


SHARED = Path(os.environ.get("ANNEAL_SHARED_DIR", Path(__file__).resolve().parents[4] / "shared")) / "data"


@pytest.mark.skipif(not (SHARED / "gsm8k-train.jsonl").exists(), reason="no shared data: gsm8k-train.jsonl")
def test_real_prompts_of_gsm8k_train(tmp_path):
    lines = (SHARED / "gsm8k-train.jsonl").read_text(encoding="utf-8").splitlines()[:40]
    rows = [{"prompt": row["question"], "answer": row["answer"]} for row in map(json.loads, lines)]
    lengths = {"max_steps": 2, "max_prompt_length": 256, "max_response_length": 8}
    told = run_here(tmp_path, grpo_config(tmp_path, GSM8K_REWARD, rows=rows, h=lengths))
    assert any("rows: prompts longer than" in line["message"] for line in told if line["type"] == "notice")
    assert sorted(losses(told)) == [1, 2] and told[-1]["type"] == "finished"


GSM8K_REWARD = """
def reward(completions, answer, **kwargs):
    return [float(a.split("#### ")[-1] in c) + 0.01 * len(set(c)) for c, a in zip(completions, answer)]
"""


@pytest.mark.slow
def test_a_million_rows_of_output_do_not_hold_up_training(tmp_path):
    source = "def reward(completions, **k):\n    print('x' * 10_000_000)\n    return [1.0] * len(completions)\n"
    done = train(tmp_path, grpo_config(tmp_path, source))
    assert done.output.count("x") < 5 * 4096 and "cut at 4096 bytes" in done.output


@pytest.mark.slow
def test_two_processes_train_one_job(tmp_path):
    """Two ranks on the CPU, as a job on two GPUs is launched."""
    config = grpo_config(tmp_path, resume_interval_seconds=EVERY_STEP)
    (tmp_path / "config.json").write_text(json.dumps(config))
    script = (
        "import sys; from anneal_trainer.launch import launch; from anneal_trainer.report import Reporter;"
        "from anneal_trainer.stop import StopSwitch;"
        "sys.exit(launch(sys.argv[1], 2, StopSwitch(Reporter(1)), 1, None))"
    )
    import subprocess
    import sys

    from trainer_process import TRAINER

    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "config.json")],
        env={**os.environ, "PYTHONPATH": str(TRAINER), "ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
        timeout=180,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"type"')]
    assert done.returncode == 0 and lines[-1]["type"] == "finished", (lines[-1:], done.stderr[-3000:])
    assert lines[0]["world_size"] == 2
    assert "rng_state_1.pth" in os.listdir(checkpoints(lines, "resume")[1]["dir"])
