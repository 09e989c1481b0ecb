"""`python sample.py MODEL_DIR PROMPTS.jsonl [--limit N]`: greedy completions of a downloaded model, one JSON line."""

import argparse
import json
import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
MAX_NEW_TOKENS = 4  # a sum of two digits, its end, and one to spare


def main() -> None:
    """Load the model as anyone would, complete every prompt, and count the right ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model_dir")
    parser.add_argument("prompts")
    parser.add_argument("--limit", type=int, default=None)
    arguments = parser.parse_args()
    with open(arguments.prompts, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file if line.strip()][: arguments.limit]

    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(arguments.model_dir, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(arguments.model_dir).eval()
    inputs = tokenizer([row["prompt"] for row in rows], return_tensors="pt", padding=True)
    inputs.pop("token_type_ids", None)
    outputs = model.generate(**inputs, do_sample=False, max_new_tokens=MAX_NEW_TOKENS)
    texts = tokenizer.batch_decode(outputs[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    completions = [
        {
            "prompt": row["prompt"],
            "completion": text,
            "answer": row.get("answer"),
            "right": text.strip() == row.get("answer"),
        }
        for row, text in zip(rows, texts, strict=True)
    ]
    right = sum(entry["right"] for entry in completions)
    print(
        json.dumps(
            {
                "exact_match": round(right / len(completions), 4),
                "completions": completions,
            }
        )
    )


if __name__ == "__main__":
    main()
