"""The small model server's parts that need no model, and the process as the agent starts it."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from server_here import client_of, server_config
from trainer_process import TINY, TRAINER

from anneal_server.answer_text import Detokeniser, StopStrings
from anneal_server.config import load
from anneal_server.errors import RequestError
from anneal_server.generation import TextModel
from anneal_server.text_requests import TextRequest
from anneal_server.turns import Turns
from anneal_server.whole_texts import Reading, SequenceModel
from anneal_trainer.config import ConfigError


class Server:
    """One process of the server, with its pipes."""

    def __init__(self, folder, config: dict, key: str | None = "k"):
        folder.mkdir()
        path = folder / "config.json"
        path.write_text(json.dumps(config))
        report, report_end = os.pipe()
        life_end, self.life = os.pipe()
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "ANNEAL_"))}
        pipes = {"ANNEAL_REPORT_FD": str(report_end), "ANNEAL_LIFE_FD": str(life_end)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "anneal_server", str(path)],
            env={**clean, "PYTHONPATH": str(TRAINER), **pipes, **({"ANNEAL_SERVER_KEY": key} if key else {})},
            pass_fds=(report_end, life_end),
            stderr=(folder / "stderr").open("wb"),
            start_new_session=True,
        )
        os.close(report_end)
        os.close(life_end)
        self.report = os.fdopen(report)

    def line(self) -> dict:
        return json.loads(self.report.readline())

    def ended(self) -> int:
        assert self.report.read() == ""
        return self.process.wait(10)


def test_the_process_tells_its_port_asks_for_its_key_and_ends_when_told_or_left(tmp_path):
    told, left = (Server(tmp_path / name, server_config(TINY)) for name in ("told", "left"))
    # From its first moment on; it is busy with its imports.
    os.close(left.life)
    assert left.ended() == -signal.SIGKILL
    ready = told.line()
    assert ready["type"] == "ready" and {"torch", "transformers", "peft"} <= ready["versions"].keys()
    with client_of(ready["port"], "k") as client, client_of(ready["port"], "other") as stranger:
        assert client.get("/health").status_code == 200 and stranger.get("/health").status_code == 200
        body = {"id": "m", "form": "base", "path": None}
        refused = stranger.post("/models/load", json=body)
        assert refused.status_code == 401 and refused.json()["error"]["code"] == "invalid_api_key"
        assert client.post("/models/load", json=body).json() == {"id": "m"}
        answer = client.post("/v1/completions", json={"model": "m", "prompt": "a", "max_tokens": 3})
        assert answer.json()["usage"]["completion_tokens"] >= 1
        with client.stream("POST", "/v1/completions", json={"model": "m", "prompt": "a", "max_tokens": 4000}) as _:
            told.process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            assert told.ended() == 0 and time.monotonic() - began < 5


def test_a_start_that_fails_says_why(tmp_path):
    wrong = Server(tmp_path / "wrong", {**server_config(TINY), "task": "painting"})
    keyless = Server(tmp_path / "keyless", server_config(TINY), key=None)
    line = wrong.line()
    assert line["type"] == "failed" and "painting" in line["message"]
    assert "ANNEAL_SERVER_KEY" in keyless.line()["message"]
    assert wrong.ended() == keyless.ended() == 1


@pytest.mark.parametrize(
    ("change", "named"),
    [({"version": 2}, "version"), ({"max_active": "4"}, "config.max_active"), ({"surprise": 1}, "config.surprise")],
)
def test_names_what_is_wrong_with_the_config(tmp_path, change, named):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**server_config(TINY), **change}))
    with pytest.raises(ConfigError, match=named):
        load(str(path))


def test_no_half_character_is_told_and_all_of_them_in_the_end():
    from transformers import PreTrainedTokenizerFast

    from anneal_trainer.tiny_models import SPECIAL_TOKENS, _byte_tokenizer

    tokenizer = PreTrainedTokenizerFast(tokenizer_object=_byte_tokenizer(SPECIAL_TOKENS))
    text = "é你好 🙂👩‍👩‍👧 fin ñ"
    tokens = tokenizer(text)["input_ids"]
    detokeniser = Detokeniser(tokenizer, tokenizer("prömpt")["input_ids"])
    pieces = [detokeniser.add(token) for token in tokens]
    assert "".join(pieces) == text and detokeniser.rest() == ""
    assert all("\ufffd" not in piece for piece in pieces) and pieces[0] == "" and pieces[1] == "é"
    # Half a character at the end is told when nothing can complete it any more.
    broken = Detokeniser(tokenizer, [])
    assert [broken.add(token) for token in tokens[:4]] == ["", "é", "", ""]
    assert broken.rest() == "\ufffd"
    with_special = Detokeniser(tokenizer, [])
    special = tokenizer.convert_tokens_to_ids("<|end|>")
    assert [with_special.add(token) for token in (special, *tokens[:2])] == ["", "", "é"]


def test_stop_strings_cut_where_a_search_of_the_whole_text_would():
    draw = random.Random(7)
    for _ in range(2000):
        text = "".join(draw.choices("ab", k=draw.randint(0, 14)))
        strings = ["".join(draw.choices("ab", k=draw.randint(1, 4))) for _ in range(draw.randint(0, 3))]
        stops, shown, at = StopStrings(strings), "", 0
        while at < len(text) and not stops.is_found:
            step = draw.randint(1, 3)
            shown += stops.add(text[at : at + step])
            at += step
            assert text.startswith(shown), "nothing is taken back"
        shown += "" if stops.is_found else stops.rest()
        found = [place for place in (text[:at].find(string) for string in strings) if place >= 0]
        assert stops.is_found == bool(found)
        assert shown == (text[: min(found)] if found else text)


class Counting:
    """Work of so many turns."""

    def __init__(self, name: str, turns: int, log: list[str]):
        self.name, self.left, self.log = name, turns, log

    @property
    def is_done(self) -> bool:
        return self.left == 0

    def turn(self) -> str:
        self.left -= 1
        self.log.append(self.name)
        if self.name == "broken":
            raise ValueError("broken")
        return self.name


def test_turns_go_round_and_the_new_ones_come_first():
    async def go() -> list[str]:
        log: list[str] = []
        turns = Turns(max_active=2, max_queue=2)
        tickets = [turns.enter(Counting(name, 3, log)) for name in ("a", "b", "broken", "c")]
        with pytest.raises(RequestError) as refused:
            turns.enter(Counting("d", 1, log))
        assert refused.value.status == 429 and turns.taken == 4
        running = asyncio.create_task(turns.run())
        for _ in range(3):
            assert await tickets[0].next() == "a"
        with pytest.raises(ValueError, match="broken"):
            await tickets[2].next()
        assert [await tickets[3].next() for _ in range(3)] == ["c"] * 3
        with turns.enter(Counting("left", 1000, log)) as left:
            await left.next()
        with turns.enter(Counting("last", 1, log)) as last:
            await last.next()
        assert turns.taken == 0
        running.cancel()
        return log

    log = asyncio.run(go())
    # What is new has its first turn at once, and then they go round.
    assert log[:10] == ["a", "b", "a", "b", "a", "broken", "c", "b", "c", "c"]
    assert log.count("left") < 1000


def test_what_is_far_too_long_is_refused_before_its_tokens_are_counted():
    """No tokenizer is asked: there is none."""
    long = "x" * (64 * 100 + 1)
    chat = {"messages": [{"role": "user", "content": long[:1000]}, {"role": "user", "content": long[1000:]}]}
    text_model, reader = TextModel(None, None, 100), SequenceModel(None, None, 100, None, False)
    for param, asked in (
        ("prompt", lambda: TextRequest.of({"prompt": long}, is_chat=False).for_model(text_model)),
        ("messages", lambda: TextRequest.of(chat, is_chat=True).for_model(text_model)),
        ("input", lambda: Reading.of({"input": long}, reader)),
    ):
        with pytest.raises(RequestError) as refused:
            asked()
        error = refused.value.body()["error"]
        assert (refused.value.status, error["param"]) == (400, param)
        assert "6401 characters" in error["message"] and "100 tokens" in error["message"]
