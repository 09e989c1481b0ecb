import json

import pytest

from anneal_trainer.data import grpo_rows, sft_rows
from anneal_trainer.failures import TrainerFailure


def jsonl(folder, *rows):
    path = folder / "data"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n\n")
    return str(path)


def text(folder, content):
    path = folder / "data"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


CHAT = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]


@pytest.mark.parametrize(
    "row",
    [
        {"messages": CHAT},
        {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "yo"}]},
        {
            "messages": [
                {"role": "prompter", "content": "hi"},
                {"role": "assistant", "content": [{"type": "text", "text": "yo"}]},
            ]
        },
        {"instruction": "hi", "output": "yo"},
    ],
)
def test_conversations_become_messages(tmp_path, row):
    assert sft_rows(jsonl(tmp_path, row), "messages", None) == [{"messages": CHAT}]


def test_alpaca_has_input_and_system(tmp_path):
    row = {"instruction": "add", "input": "1 2", "output": "3", "system": "be brief"}
    [made] = sft_rows(jsonl(tmp_path, row), "messages", None)
    assert [m["content"] for m in made["messages"]] == ["be brief", "add\n\n1 2", "3"]


def test_system_prompt_makes_chats_and_keeps_a_given_one(tmp_path):
    [row] = sft_rows(jsonl(tmp_path, {"prompt": "p", "completion": "c"}), "prompt_completion", "S")
    assert row["prompt"][0] == {"role": "system", "content": "S"} and row["completion"][0]["role"] == "assistant"
    own = [{"role": "system", "content": "own"}, *CHAT]
    assert sft_rows(jsonl(tmp_path, {"messages": own}), "messages", "S") == [{"messages": own}]


def test_grpo_keeps_every_other_column(tmp_path):
    rows = grpo_rows(
        jsonl(tmp_path, {"prompt": "p", "label": 3, "x": {"y": [1]}}, {"prompt": CHAT[:1]}), "prompt", None
    )
    assert rows[0].columns == {"label": 3, "x": {"y": [1]}}
    # One chat makes all of them chats.
    assert rows[0].prompt == [{"role": "user", "content": "p"}] and rows[1].prompt == CHAT[:1]


def test_csv_headers_have_aliases(tmp_path):
    path = text(tmp_path, '\ufeffinput,expected_output\r\n"a\nb",c\r\n')
    assert sft_rows(path, "prompt_completion", None) == [{"prompt": "a\nb", "completion": "c"}]
    [row] = grpo_rows(text(tmp_path, "text,category\nq,blue\n"), "prompt", None)
    assert row.prompt == "q" and row.columns == {"category": "blue"}
    assert sft_rows(text(tmp_path, "text\nhello\n"), "text", None) == [{"text": "hello"}]


def test_line_separators_inside_strings_are_no_lines(tmp_path):
    assert sft_rows(jsonl(tmp_path, {"text": "a\u2028b"}), "text", None) == [{"text": "a\u2028b"}]


@pytest.mark.parametrize(
    ("content", "format", "reason", "words"),
    [
        ('{"text":"a"}\n{"text":', "text", "invalid_dataset", "line 2 is not JSON"),
        ('{"text":"a"}\n[1]', "text", "invalid_dataset", "line 2 is not a JSON object"),
        ('{"text":"a"}\n\n{"t":"b"}', "text", "invalid_dataset", "line 3 has no text"),
        (b'{"text":"a"}\n{"text":"\xff"}', "text", "invalid_dataset", "not UTF-8: line 2"),
        ("", "text", "invalid_dataset", "no text"),
        ("text\n", "text", "invalid_dataset", "no rows"),
        ("text,label\na,b,c\n", "text", "invalid_dataset", "line 2 has not 2 fields"),
        ('{"messages":[{"role":"alien","content":"x"}]}', "messages", "dataset_format_incompatible", "alien"),
        ('{"prompt":"x"}', "prompt", "dataset_format_incompatible", "sft_text needs rows"),
    ],
)
def test_bad_data_names_its_line(tmp_path, content, format, reason, words):
    with pytest.raises(TrainerFailure, match=words) as caught:
        sft_rows(text(tmp_path, content), format, None)
    assert caught.value.reason == reason
