"""`inference-direct.py JSON`: what downloaded models give when transformers alone has them, as one JSON line.

`{"classifier": DIR, "texts": [...], "language_model": DIR, "prompts": [...], "messages": [...], "max_new_tokens": N,
"base_dir": DIR}`; the base model is made in `base_dir` by the trainer's own code, as nobody downloads it.
"""

import json
import os
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from anneal_trainer.tiny_models import make_tiny_llama


def main() -> None:
    """Load each model as anyone would, and ask it."""
    asked = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    make_tiny_llama(asked["base_dir"])
    told = {
        "classified": classify(asked["classifier"], asked["texts"]),
        "tuned": generate(asked["language_model"], asked),
        "base": generate(asked["base_dir"], asked),
    }
    print(json.dumps(told))


def classify(folder: str, texts: list[str]) -> list[dict]:
    """Logits and probabilities by label, one text at a time."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    found = []
    for text in texts:
        with torch.inference_mode():
            logits = model(**tokenizer(text, return_tensors="pt", truncation=True)).logits[0]
        names = [model.config.id2label[at] for at in range(len(logits))]
        pairs = {"logits": logits, "probs": torch.softmax(logits, -1)}
        found.append({key: dict(zip(names, values.tolist(), strict=True)) for key, values in pairs.items()})
    return found


def generate(folder: str, asked: dict) -> dict:
    """Greedy, one prompt at a time; and the chat by the model's own template."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()

    def complete(inputs) -> str:
        inputs.pop("token_type_ids", None)
        with torch.inference_mode():
            output = model.generate(**inputs, do_sample=False, max_new_tokens=asked["max_new_tokens"])
        return tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)

    chat = tokenizer.apply_chat_template(
        asked["messages"], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    completions = [complete(tokenizer(prompt, return_tensors="pt")) for prompt in asked["prompts"]]
    return {"completions": completions, "chat": complete(chat)}


main()
