"""Prompts and completions as the plain text that testing functions, tables and samples show."""

from __future__ import annotations

import json

from .data import Message, Row
from .failures import TrainerFailure

# What a row's expected output may be called, in order of preference.
EXPECTED_COLUMNS = ("completion", "answer", "label")


def plain_text(value: str | list[Message]) -> str:
    """A text as it is; a single message as its content; a chat with its roles, a message a paragraph."""
    if isinstance(value, str):
        return value
    if len(value) == 1:
        return value[0]["content"]
    return "\n".join(f"{message['role']}: {message['content']}" for message in value)


def asked_and_expected(row: Row) -> tuple[str | list[Message], str]:
    """A row of supervised fine-tuning as a question and its answer: the last reply, and all that comes before it."""
    if "prompt" in row:
        return row["prompt"], plain_text(row["completion"])
    messages = row.get("messages", [])
    replies = [at for at, message in enumerate(messages) if message["role"] == "assistant"]
    if not replies or replies[-1] == 0:
        raise TrainerFailure(
            "dataset_format_incompatible",
            "dataset_format_incompatible: a test needs rows with an expected output (prompt and completion, or a "
            "message of the assistant that answers another), and a row to test on has none",
        )
    return messages[: replies[-1]], messages[replies[-1]]["content"]


def expected_of(columns: Row) -> str | None:
    """The output that a row's other columns expect of its prompt, as the dataset has it; None when there is none."""
    for name in EXPECTED_COLUMNS:
        value = columns.get(name)
        if isinstance(value, list) and value and isinstance(value[-1], dict):
            value = value[-1].get("content", value[-1].get("value"))
        if isinstance(value, list):
            value = "".join(str(part.get("text", "")) for part in value if isinstance(part, dict))
        if isinstance(value, str):
            return value
        if isinstance(value, (int, float)):
            return json.dumps(value)
    return None
