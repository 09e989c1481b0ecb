"""Writes the example's datasets: single-digit sums, a fifth of them held out. Deterministic; run it to make them again.

The SFT rows are a careless pupil's: every second answer counts one too far. A model that imitates them is right half
of the time, which is what GRPO with a checkable reward then puts right.
"""

import json
import random
from pathlib import Path

HELD_OUT = 20
SFT_ROWS = 2000
WRONG_SHARE = 0.5


def main() -> None:
    """Write sft.jsonl, grpo.jsonl and heldout.jsonl beside this file."""
    shuffle = random.Random(7)
    sums = [(a, b) for a in range(10) for b in range(10)]
    shuffle.shuffle(sums)
    held_out, known = sorted(sums[:HELD_OUT]), sorted(sums[HELD_OUT:])
    drawn = [shuffle.choice(known) for _ in range(SFT_ROWS)]
    answers = [a + b + 1 if shuffle.random() < WRONG_SHARE else a + b for a, b in drawn]
    rows = [{"prompt": f"{a}+{b}=", "completion": str(answer)} for (a, b), answer in zip(drawn, answers, strict=True)]
    write("sft.jsonl", rows)
    write("grpo.jsonl", [{"prompt": f"{a}+{b}=", "answer": str(a + b)} for a, b in known])
    write(
        "heldout.jsonl",
        [{"prompt": f"{a}+{b}=", "answer": str(a + b)} for a, b in held_out],
    )


def write(name: str, rows: list[dict[str, str]]) -> None:
    """One JSON object a line."""
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (Path(__file__).parent / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
