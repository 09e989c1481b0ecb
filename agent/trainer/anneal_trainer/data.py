"""The one loader: a dataset's bytes (JSONL or CSV) to the canonical rows of its format. Only the standard library.

The worker has checked the columns at upload; this is checked again, by line, because bytes may come from elsewhere.
A whole dataset is held in memory: rows are text, and the model beside them is larger.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from .failures import TrainerFailure

T = TypeVar("T")
Message = dict[str, str]
Row = dict[str, object]

ROLES = {
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "system": "system",
    "tool": "tool",
}
_INPUT = ("text", "input", "prompt")
_OUTPUT = ("label", "category", "expected_output", "completion")
# For each format its canonical columns, and the CSV headers that stand for each, in order of preference.
CSV_COLUMNS = {
    "text": {"text": _INPUT},
    "prompt": {"prompt": ("prompt", "input", "text")},
    "prompt_completion": {
        "prompt": ("prompt", "input", "text"),
        "completion": ("completion", "expected_output", "label", "category"),
    },
    "text_label": {"text": _INPUT, "label": _OUTPUT},
    "text_score": {"text": ("input", "text", "prompt"), "score": ("score", *_OUTPUT)},
    "text_pair_score": {"text1": ("text1",), "text2": ("text2",), "score": ("score",)},
}
FORMATS_OF_METHOD = {
    "sft_text": ("messages", "prompt_completion", "text"),
    "grpo": ("prompt", "prompt_completion", "messages"),
    "classification": ("text_label", "prompt_completion"),
    "regression": ("text_score", "prompt_completion"),
    "embedding": ("text_pair_score",),
}
MAX_CSV_FIELD = 2**31 - 1  # the csv module's own limit of 128 KiB is below one long document


@dataclass(frozen=True)
class GrpoRow:
    """A prompt, and every other column of its row for the reward functions."""

    prompt: str | list[Message]
    columns: Row


def check_format(method: str, format: str) -> None:
    """Fail when rows of this format cannot train this method."""
    if format not in FORMATS_OF_METHOD[method]:
        raise TrainerFailure(
            "dataset_format_incompatible",
            f"dataset_format_incompatible: {method} needs rows of format {' or '.join(FORMATS_OF_METHOD[method])}, "
            f"the dataset's is {format}",
        )


def sft_rows(path: str, format: str, system_prompt: str | None) -> list[Row]:
    """Rows as TRL's SFT takes them: all `messages`, all `prompt`+`completion`, or all `text`."""
    check_format("sft_text", format)
    rows: list[Row] = []
    for line, raw in read(path, format):
        if format == "text":
            rows.append({"text": string(raw, "text", line)})
        elif format == "messages":
            rows.append({"messages": _with_system(_conversation(raw, line), system_prompt)})
        else:
            rows.append({key: _prompt(raw, key, line) for key in ("prompt", "completion")})
    if format == "prompt_completion" and (
        system_prompt or any(isinstance(v, list) for row in rows for v in row.values())
    ):
        rows = [
            {
                "prompt": _with_system(_as_messages(row["prompt"], "user"), system_prompt),
                "completion": _as_messages(row["completion"], "assistant"),
            }
            for row in rows
        ]
    return some(rows)


def hold_back(rows: list[T], percent: int, seed: int) -> tuple[list[T], list[T]]:
    """(rows to train on, rows to evaluate on), each in their order; the same draw for the same seed."""
    if len(rows) < 2:
        raise TrainerFailure("invalid_dataset", "The dataset has one row, and eval.split_percent would hold it back")
    count = max(1, len(rows) * percent // 100)
    held = set(random.Random(seed).sample(range(len(rows)), count))
    return [row for at, row in enumerate(rows) if at not in held], [rows[at] for at in sorted(held)]


def grpo_rows(path: str, format: str, system_prompt: str | None) -> list[GrpoRow]:
    """Prompts with their other columns; all prompts are strings, or all are chats.

    Of a conversation the prompt is what comes before its last reply, which is the column `completion`.
    """
    check_format("grpo", format)
    rows = [
        _before_last_reply(raw, line)
        if format == "messages"
        else GrpoRow(_prompt(raw, "prompt", line), {key: value for key, value in raw.items() if key != "prompt"})
        for line, raw in read(path, format)
    ]
    if system_prompt or any(isinstance(row.prompt, list) for row in rows):
        rows = [GrpoRow(_with_system(_as_messages(row.prompt, "user"), system_prompt), row.columns) for row in rows]
    return some(rows)


def read(path: str, format: str) -> Iterator[tuple[int, Row]]:
    """Each row of a dataset as it stands there, with its line; of a CSV also under its canonical columns."""
    with open(path, "rb") as file:
        content = file.read()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TrainerFailure("invalid_dataset", f"The dataset is not UTF-8: line {line}") from error
    # Told by its first character and not by its name: an agent's copy has none.
    return _read_jsonl(text) if text.lstrip().startswith("{") else _read_csv(text, format)


def _read_jsonl(text: str) -> Iterator[tuple[int, Row]]:
    # Not splitlines(): U+2028 and its like are legal inside a JSON string.
    for line, raw in enumerate(text.split("\n"), 1):
        if not raw.strip():
            continue
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise TrainerFailure("invalid_dataset", f"The dataset's line {line} is not JSON: {error}") from error
        if not isinstance(value, dict):
            raise TrainerFailure("invalid_dataset", f"The dataset's line {line} is not a JSON object")
        if "\\ud" in raw or "\\uD" in raw:
            _check_surrogates(value, line)
        yield line, value


def _check_surrogates(value: Row, line: int) -> None:
    """JSON can escape half of a character, which no tokenizer takes."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise TrainerFailure(
            "invalid_dataset", f"The dataset's line {line} has half of a character (a lone surrogate)"
        ) from error


def _read_csv(text: str, format: str) -> Iterator[tuple[int, Row]]:
    csv.field_size_limit(MAX_CSV_FIELD)
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    header = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = header
    sources: dict[str, str] = {}
    for column, aliases in CSV_COLUMNS.get(format, {}).items():
        found = next((name for name in aliases if name in header and name not in sources.values()), None)
        if found is None:
            raise TrainerFailure(
                "invalid_dataset", f"The dataset's header has no {column}: one of {', '.join(aliases)}"
            )
        sources[column] = found
    try:
        for raw in reader:
            line = reader.line_num
            if None in raw or None in raw.values():
                raise TrainerFailure("invalid_dataset", f"The dataset's line {line} has not {len(header)} fields")
            # Columns keep their own names too, all but the prompt's: a reward function asks for what the file says.
            row: Row = {name: value for name, value in raw.items() if name != sources.get("prompt")}
            row.update({column: raw[source] for column, source in sources.items()})
            yield line, row
    except csv.Error as error:
        raise TrainerFailure("invalid_dataset", f"The dataset's line {reader.line_num} is not CSV: {error}") from error


def _conversation(raw: Row, line: int) -> list[Message]:
    if "instruction" in raw and "output" in raw:
        return _alpaca(raw, line)
    value = raw.get("messages", raw.get("conversations"))
    if not isinstance(value, list) or not value:
        raise TrainerFailure("invalid_dataset", f"The dataset's line {line} has no list of messages")
    return [_message(entry, line) for entry in value]


def _before_last_reply(raw: Row, line: int) -> GrpoRow:
    messages = _conversation(raw, line)
    replies = [at for at, message in enumerate(messages) if message["role"] == "assistant"]
    if not replies or replies[-1] == 0:
        raise TrainerFailure(
            "dataset_format_incompatible",
            f"dataset_format_incompatible: line {line} has no message of the assistant that answers another",
        )
    columns = {key: value for key, value in raw.items() if key not in ("messages", "conversations")}
    return GrpoRow(messages[: replies[-1]], {**columns, "completion": messages[replies[-1]]["content"]})


def _alpaca(raw: Row, line: int) -> list[Message]:
    user = string(raw, "instruction", line)
    if raw.get("input"):
        user = f"{user}\n\n{string(raw, 'input', line)}"
    messages = [{"role": "user", "content": user}, {"role": "assistant", "content": string(raw, "output", line)}]
    return _with_system(messages, string(raw, "system", line) if raw.get("system") else None)


def _message(entry: object, line: int) -> Message:
    if not isinstance(entry, dict):
        raise TrainerFailure("invalid_dataset", f"The dataset's line {line} has a message that is no object")
    role, content = entry.get("role", entry.get("from")), entry.get("content", entry.get("value"))
    if role not in ROLES:
        raise TrainerFailure(
            "dataset_format_incompatible",
            f"dataset_format_incompatible: line {line} has the role {role!r}, known are {', '.join(ROLES)}",
        )
    if isinstance(content, list):
        content = "".join(_text_part(part, line) for part in content)
    if not isinstance(content, str):
        raise TrainerFailure("invalid_dataset", f"The dataset's line {line} has a message without text")
    return {"role": ROLES[role], "content": content}


def _text_part(part: object, line: int) -> str:
    if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str):
        return part["text"]
    raise TrainerFailure("invalid_dataset", f"The dataset's line {line} has a message part that is not text")


def _prompt(raw: Row, key: str, line: int) -> str | list[Message]:
    value = raw.get(key)
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        return [_message(entry, line) for entry in value]
    raise TrainerFailure(
        "invalid_dataset", f"The dataset's line {line} has no {key} that is text or a list of messages"
    )


def string(raw: Row, key: str, line: int) -> str:
    """The row's text of this column."""
    value = raw.get(key)
    if not isinstance(value, str):
        raise TrainerFailure("invalid_dataset", f"The dataset's line {line} has no {key} that is text")
    return value


def _as_messages(value: object, role: str) -> list[Message]:
    return [{"role": role, "content": value}] if isinstance(value, str) else list(value)  # type: ignore[call-overload]


def _with_system(messages: list[Message], system_prompt: str | None) -> list[Message]:
    if system_prompt is None or messages[0]["role"] == "system":
        return messages
    return [{"role": "system", "content": system_prompt}, *messages]


def some(rows: list[T]) -> list[T]:
    """The rows, of which there must be one."""
    if not rows:
        raise TrainerFailure("invalid_dataset", "The dataset has no rows")
    return rows
