"""What a trained language model answers to a test's prompts: greedily, in batches, the same each time.

Nothing of the base's own generation settings is used but its end tokens: a test compares checkpoints, so that sampling
or penalties would only add noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .data import Message
from .models import LANGUAGE_MODEL, load_tokenizer, positions, restore
from .testing_rows import TestRow

ROOM_FOR_LONG_ANSWERS = 16  # tokens beyond twice the longest expected output


@dataclass(frozen=True)
class Limits:
    """`prompt_tokens`: a longer prompt loses its beginning, and so does one that leaves a model no room to answer."""

    batch_size: int
    prompt_tokens: int
    new_tokens: int
    # Answers may be as long as `new_tokens` whatever is expected, as those of a model that thinks before it answers.
    may_exceed_expected: bool = False


def answers(
    folder: str, base_folder: str, rows: list[TestRow], limits: Limits, on_gpu: bool, told: Callable[[], None]
) -> list[str]:
    """One text a row, from the checkpoint in `folder`, which may be no more than an adapter of the base.

    No answer is longer than twice the longest that is expected, and a little: one of a model that learns to write what
    is expected would be wrong already.
    """
    import torch

    tokenizer = load_tokenizer(folder)
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    # A large model in 32 bits may be more than the host's memory.
    model = restore(LANGUAGE_MODEL, folder, base_folder, torch.bfloat16 if on_gpu else torch.float32)
    model.to("cuda" if on_gpu else "cpu").eval()
    told()
    places = positions(model) or limits.prompt_tokens + limits.new_tokens
    new_tokens = min(limits.new_tokens, max(1, places // 2))
    if not limits.may_exceed_expected:
        new_tokens = _enough_tokens(tokenizer, rows, new_tokens)
    model.generation_config = _greedy(model, tokenizer, new_tokens)
    room = min(limits.prompt_tokens, places - new_tokens)
    prompts = [prompt_ids(tokenizer, row.asked)[-room:] for row in rows]
    # Prompts of a like length go together, so that little of a batch is padding.
    order = sorted(range(len(rows)), key=lambda index: (len(prompts[index]), index))
    made = [""] * len(rows)
    for start in range(0, len(order), limits.batch_size):
        batch = order[start : start + limits.batch_size]
        padded = tokenizer.pad({"input_ids": [prompts[index] for index in batch]}, return_tensors="pt").to(model.device)
        with torch.inference_mode():
            whole = model.generate(**padded, stopping_criteria=_each_token(told))
        for index, tokens in zip(batch, whole[:, padded["input_ids"].shape[1] :], strict=True):
            made[index] = tokenizer.decode(tokens, skip_special_tokens=True)
        told()
    return made


def _each_token(told: Callable[[], None]):
    """A batch may take minutes: `told` is called for each of its tokens, and may raise."""
    import torch
    from transformers import StoppingCriteria, StoppingCriteriaList

    class Told(StoppingCriteria):
        def __call__(self, input_ids, scores, **_unused):
            told()
            return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)

    return StoppingCriteriaList([Told()])


def _greedy(model, tokenizer, new_tokens: int):
    from transformers import GenerationConfig

    ends = model.generation_config.eos_token_id
    ends = set(ends if isinstance(ends, list) else [ends]) | {tokenizer.eos_token_id}
    return GenerationConfig(
        do_sample=False,
        max_new_tokens=new_tokens,
        eos_token_id=sorted(end for end in ends if end is not None),
        pad_token_id=tokenizer.pad_token_id,
    )


def _enough_tokens(tokenizer, rows: list[TestRow], most: int) -> int:
    longest = max(len(tokenizer(row.expected, add_special_tokens=False)["input_ids"]) for row in rows)
    return min(most, 2 * longest + ROOM_FOR_LONG_ANSWERS)


def prompt_ids(tokenizer, prompt: str | list[Message]) -> list[int]:
    """A text's tokens, or those of a chat by the model's template, up to where it answers."""
    if isinstance(prompt, str):
        # A model cannot go on from nothing.
        start = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
        return tokenizer(prompt)["input_ids"] or [start]
    return tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=True, return_dict=True)[
        "input_ids"
    ]
