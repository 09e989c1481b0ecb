"""Tiny models whose answers are worth comparing: they differ from prompt to prompt, and each token has a text."""

from __future__ import annotations

from pathlib import Path

from anneal_trainer.tiny_models import make_tiny_llama


def lively_llama(folder: Path) -> Path:
    """A llama that writes ASCII and does not repeat itself, by its own generation configuration."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    make_tiny_llama(str(folder))
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(6)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = [tokenizer.decode([token]) for token in range(256)]
    own = model.generation_config
    own.suppress_tokens = [token for token, text in enumerate(texts) if not ("\x1f" < text < "\x7f" or text == "\n")]
    own.repetition_penalty = 1.3
    own.eos_token_id = [258, texts.index("\n")]
    model.save_pretrained(folder)
    return folder


def adapter_for(base: Path, folder: Path, seed: int) -> Path:
    """A LoRA adapter that changes what the base says."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        targets = ["q_proj", "v_proj", "up_proj"]
        settings = LoraConfig(
            r=4, lora_alpha=64, target_modules=targets, task_type="CAUSAL_LM", init_lora_weights=False
        )
        get_peft_model(AutoModelForCausalLM.from_pretrained(base), settings).save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder


def greedy(base: Path, adapter: Path | None, prompts: list[str], new_tokens: int) -> list[tuple[str, int]]:
    """What `model.generate` gives for each prompt alone: its text, and how many tokens it has."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(base)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter)
    tokenizer = AutoTokenizer.from_pretrained(base)
    made = []
    for prompt in prompts:
        asked = tokenizer(prompt, return_tensors="pt")
        with torch.inference_mode():
            whole = model.generate(**asked, do_sample=False, max_new_tokens=new_tokens)
        tokens = whole[0, asked["input_ids"].shape[1] :].tolist()
        text = tokenizer.decode(tokens, skip_special_tokens=True)
        made.append((text.removesuffix("\n"), len(tokens)))
    return made
