"""Chat and completions of the small model server, beside `model.generate` of the model loaded directly."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from server_here import ServerHere, events
from server_models import adapter_for, greedy, lively_llama

from anneal_server.generation import Generation

PROMPTS = ["Once upon a time", "1+1=", "The quick brown fox", "naïve – 你好 🙂"]
TOKENS = 24


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    base = lively_llama(folder / "base")
    return {"base": base, "one": adapter_for(base, folder / "one", 1), "two": adapter_for(base, folder / "two", 2)}


@pytest.fixture(scope="module")
def server(made, tmp_path_factory):
    with ServerHere(tmp_path_factory.mktemp("server"), {"kind": "path", "path": str(made["base"])}) as running:
        assert running.load("base", "base") == {"id": "base"}
        for name in ("one", "two"):
            running.load(name, "adapter", made[name])
        running.load("whole", "weights", made["base"])
        yield running


def complete(server, model, prompt, **fields):
    return server.post("/v1/completions", {"model": model, "prompt": prompt, "max_tokens": TOKENS, **fields})


def text_of(answer):
    return answer["choices"][0]["text"], answer["usage"]["completion_tokens"]


def test_greedy_is_what_the_models_loaded_directly_say_and_one_shares_weights_with_none(server, made):
    expected = {name: greedy(made["base"], made.get(name), PROMPTS, TOKENS) for name in ("one", "two")}
    expected["base"] = expected["whole"] = greedy(made["base"], None, PROMPTS, TOKENS)
    assert len({tuple(texts) for texts in expected.values()}) == 3, "the adapters must change something"
    assert len({text for texts in expected.values() for text, _ in texts}) > 8, "the prompts must, too"
    ended = [count for texts in expected.values() for _, count in texts if count < TOKENS]
    asked = [(name, at) for at in range(len(PROMPTS)) for name in expected]
    # All at once, more than are worked on at a time, by turns of four models.
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda one: complete(server, one[0], PROMPTS[one[1]], temperature=0), asked))
    for (name, at), answer in zip(asked, answers, strict=True):
        assert text_of(answer) == expected[name][at]
        reason = answer["choices"][0]["finish_reason"]
        assert reason == ("stop" if expected[name][at][1] < TOKENS else "length")
    assert ended, "one of them must end by itself"
    base, one, two = (server.deployments._entries[name].loading.result().model for name in ("base", "one", "two"))
    weights = dict(base.named_parameters())
    for adapted in (one, two):
        shared = [
            parameter.data_ptr() == weights[name.replace(".base_layer", "")].data_ptr()
            for name, parameter in adapted.named_parameters()
            if "lora_" not in name
        ]
        assert len(shared) == len(weights) and all(shared)
    assert not any("lora" in name for name, _ in base.named_modules())


def test_seeded_requests_at_once_are_as_alone(server):
    ways = [{}, {"top_p": 0.8}, {"top_k": 9}, {"min_p": 0.05}, {"frequency_penalty": 1.5}, {"presence_penalty": -1}]
    bodies = [
        {"model": ("base", "one", "two")[at % 3], "prompt": PROMPTS[at % 4], "seed": at, "temperature": 0.5 + at / 10}
        | {"max_tokens": 16, **ways[at % 6]}
        for at in range(16)
    ]
    alone = [text_of(server.post("/v1/completions", body)) for body in bodies]

    def streamed(body):
        with server.stream("/v1/completions", body) as answer:
            return "".join(one["choices"][0]["text"] for one in events(answer.iter_lines()))

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(streamed, bodies)) == [text for text, _ in alone]
    assert len({text for text, _ in alone}) == 16
    again = [complete(server, "base", "x", seed=7, temperature=1.3)["choices"] for _ in range(2)]
    other = complete(server, "base", "x", seed=8, temperature=1.3)["choices"]
    free = [complete(server, "base", "x", temperature=1.3)["choices"] for _ in range(2)]
    assert again[0] == again[1] != other and free[0] != free[1]


def test_each_way_of_sampling_does_what_it_says(server):
    plain = text_of(complete(server, "base", "z", temperature=0))
    for one_choice in ({"top_k": 1}, {"top_p": 1e-9}, {"top_p": 0}, {"min_p": 1}, {"temperature": 0.001}):
        assert text_of(complete(server, "base", "z", seed=1, **one_choice)) == plain, one_choice
    assert text_of(complete(server, "base", "z", temperature=0, repetition_penalty=1)) != plain
    loud, _ = text_of(complete(server, "base", "z", temperature=0, repetition_penalty=0.1))
    assert len(set(loud)) < 8, loud
    for penalty in ("frequency_penalty", "presence_penalty"):
        calmed, _ = text_of(complete(server, "base", "z", temperature=0, repetition_penalty=0.1, **{penalty: 2}))
        assert calmed != loud, penalty
    assert complete(server, "base", "z", temperature=0, min_tokens=TOKENS)["usage"]["completion_tokens"] == TOKENS


def test_chat_streamed_is_chat_at_once(server):
    body = {
        "model": "one",
        "messages": [
            {"role": "developer", "content": "Be short"},
            {"role": "user", "content": [{"type": "text", "text": "He"}, {"type": "text", "text": "llo"}]},
        ],
        "temperature": 0,
        "max_completion_tokens": 20,
    }
    whole = server.post("/v1/chat/completions", body)
    assert whole["object"] == "chat.completion" and whole["id"].startswith("chatcmpl-")
    message = whole["choices"][0]["message"]
    assert message["role"] == "assistant" and message["content"]
    plain = {**body, "messages": [{"role": "system", "content": "Be short"}, {"role": "user", "content": "He\nllo"}]}
    assert server.post("/v1/chat/completions", plain)["choices"][0]["message"] == message
    template = "<|start|>system\nBe short<|end|><|start|>user\nHe\nllo<|end|><|start|>assistant\n"
    assert complete(server, "one", template, temperature=0, max_tokens=20)["usage"] == whole["usage"]
    with server.stream("/v1/chat/completions", {**body, "stream_options": {"include_usage": True}}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        first, *pieces, last, counts = events(answer.iter_lines())
    assert first["choices"][0] == {
        "index": 0,
        "delta": {"role": "assistant", "content": ""},
        "logprobs": None,
        "finish_reason": None,
    }
    assert "".join(one["choices"][0]["delta"]["content"] for one in pieces) == message["content"]
    assert len(pieces) > 1 and {one["object"] for one in pieces} == {"chat.completion.chunk"}
    reason = whole["choices"][0]["finish_reason"]
    assert last["choices"][0] == {"index": 0, "delta": {}, "logprobs": None, "finish_reason": reason}
    assert counts["choices"] == [] and counts["usage"] == whole["usage"]


def test_stop_strings_end_the_answer_and_never_show(server):
    whole, _ = text_of(complete(server, "base", "Tell me", temperature=0))
    assert len(whole) > 12
    stop = whole[7:10]
    before = whole[: whole.index(stop)]
    body = {"model": "base", "prompt": "Tell me", "temperature": 0, "max_tokens": TOKENS, "stop": ["never", stop]}
    answer = server.post("/v1/completions", body)["choices"][0]
    assert (answer["text"], answer["finish_reason"]) == (before, "stop")
    with server.stream("/v1/completions", body) as streamed:
        pieces = [one["choices"][0] for one in events(streamed.iter_lines())]
    assert "".join(one["text"] for one in pieces) == before and pieces[-1]["finish_reason"] == "stop"
    held = server.post("/v1/completions", {**body, "stop": whole[-1] + "?!"})["choices"][0]
    assert held["text"] == whole, "what only began like a stop string belongs to the answer"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": "x" * 4096}, "prompt"),
        ({"prompt": "x" * 4000, "max_tokens": 97}, "max_tokens"),
        ({"prompt": "x" * 4000, "max_completion_tokens": 97}, "max_completion_tokens"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [5, 261]}, "prompt"),
        ({}, "prompt"),
        ({"prompt": "a", "n": 2}, "n"),
        ({"prompt": "a", "best_of": 3}, "best_of"),
        ({"prompt": "a", "echo": True}, "echo"),
        ({"prompt": "a", "suffix": "b"}, "suffix"),
        ({"prompt": "a", "logprobs": 1}, "logprobs"),
        ({"prompt": "a", "logit_bias": {"5": 1}}, "logit_bias"),
        ({"prompt": "a", "tools": [{"type": "function"}]}, "tools"),
        ({"prompt": "a", "response_format": {"type": "json_object"}}, "response_format"),
        ({"prompt": "a", "temperature": 2.1}, "temperature"),
        ({"prompt": "a", "temperature": "hot"}, "temperature"),
        ({"prompt": "a", "top_k": 1.5}, "top_k"),
        ({"prompt": "a", "max_tokens": 0}, "max_tokens"),
        ({"prompt": "a", "max_tokens": 2, "min_tokens": 3}, "min_tokens"),
        ({"prompt": "a", "stop": [""]}, "stop"),
        ({"prompt": "a", "stream": "yes"}, "stream"),
        ({"prompt": "a", "seed": 2**70}, "seed"),
        ({"prompt": "a", "stream_options": 1}, "stream_options"),
    ],
)
def test_refuses_by_name(server, body, param):
    error = server.refused("/v1/completions", {"model": "base", **body})
    assert error["param"] == param and error["type"] == "invalid_request_error"
    if len(body["prompt"] if isinstance(body.get("prompt"), str) else "") > 100:
        assert "4096" in error["message"] and "40" in error["message"]


def test_takes_what_clients_send_and_what_changes_nothing(server):
    neutral = {
        "n": 1,
        "user": "me",
        "metadata": {"a": "b"},
        "store": True,
        "logprobs": None,
        "tools": [],
        "echo": False,
    }
    assert (
        complete(server, "base", "a", temperature=0, **neutral)["choices"]
        == (complete(server, "base", [server_token(server, "a")], temperature=0)["choices"])
    )
    default = server.post("/v1/completions", {"model": "base", "prompt": ["a"], "min_tokens": 16})
    assert default["usage"]["completion_tokens"] == 16
    room = server.post("/v1/completions", {"model": "base", "prompt": "x" * 4090, "max_tokens": 6, "min_tokens": 6})
    assert room["usage"] == {"prompt_tokens": 4090, "completion_tokens": 6, "total_tokens": 4096}
    empty = server.post("/v1/completions", {"model": "base", "prompt": ""})
    assert empty["usage"]["prompt_tokens"] == 1


def server_token(server, text):
    return server.deployments._entries["base"].loading.result().tokenizer(text)["input_ids"][0]


def test_refuses_chats_that_are_none_and_models_that_are_not_there(server, made):
    chat = "/v1/chat/completions"
    for messages in (
        [],
        "hi",
        [{"role": "user"}],
        [{"content": "x"}],
        [{"role": "user", "content": [{"type": "image"}]}],
    ):
        assert server.refused(chat, {"model": "base", "messages": messages})["param"] == "messages"
    missing = server.refused(chat, {"model": "nobody", "messages": [{"role": "user", "content": "x"}]}, 404)
    assert (missing["param"], missing["code"]) == ("model", "model_not_found")
    other = server.refused("/v1/embeddings", {"model": "base", "input": "x"})
    assert other["param"] == "model"
    tokenizer = server.deployments._entries["whole"].loading.result().tokenizer
    template, tokenizer.chat_template = tokenizer.chat_template, None
    try:
        error = server.refused(chat, {"model": "whole", "messages": [{"role": "user", "content": "x"}]})
        assert error["param"] == "messages" and "no chat template" in error["message"]
        tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
        error = server.refused(chat, {"model": "whole", "messages": [{"role": "user", "content": "x"}]})
        assert "roles must alternate" in error["message"]
    finally:
        tokenizer.chat_template = template
    assert server.client.post(chat, content=b"{").json()["error"]["message"].startswith("The body is not JSON")
    assert server.client.get("/v1/models").status_code == 404
    assert server.client.get("/health", headers={"authorization": ""}).status_code == 200
    assert server.client.post(chat, headers={"authorization": "Bearer wrong"}).status_code == 401


def test_one_too_many_is_refused_and_who_leaves_makes_room(made, tmp_path, monkeypatch):
    turns = 0
    real = Generation.turn

    def counted(work):
        nonlocal turns
        turns += 1
        return real(work)

    monkeypatch.setattr(Generation, "turn", counted)
    base = {"kind": "path", "path": str(made["base"])}
    long = {"model": "m", "prompt": "a", "max_tokens": 4000, "min_tokens": 4000, "temperature": 0}
    with ServerHere(tmp_path, base, max_active=1, max_queue=1) as server:
        server.load("m", "base")
        with server.stream("/v1/completions", long) as first:
            lines = first.iter_lines()
            next(lines)
            with server.stream("/v1/completions", {**long, "prompt": "b", "max_tokens": 4, "min_tokens": 4}) as second:
                assert second.status_code == 200, "its head comes while it waits"
                error = server.refused("/v1/completions", long, 429)
                assert (error["type"], error["code"]) == ("rate_limit_error", "queue_full")
                first.close()
                assert len(events(second.iter_lines())) > 1
        with ThreadPoolExecutor(1) as pool:
            # One that is not streamed, whose client gives up.
            with pytest.raises(Exception, match="timed out"):
                server.client.post("/v1/completions", json=long, timeout=0.2)
            # Returns when no request is left.
            pool.submit(server.post, "/models/unload", {"id": "m"}).result(30)
        assert turns < 4000, turns
        server.refused("/v1/completions", long, 404)
        server.load("n", "base")
        server.post("/v1/completions", {"model": "n", "prompt": "a", "max_tokens": 1})
        assert server.turns.taken == 0, "nobody holds a place for nothing"


def test_a_model_goes_when_its_requests_are_done_and_what_breaks_is_told(made, tmp_path, monkeypatch):
    base = {"kind": "path", "path": str(made["base"])}
    with ServerHere(tmp_path, base) as server, ThreadPoolExecutor(4) as pool:
        # The same again, and at once: one load.
        assert [*pool.map(lambda _: server.load("m", "base"), range(3))] == [{"id": "m"}] * 3
        body = {"model": "m", "prompt": "a", "max_tokens": 200, "min_tokens": 200, "temperature": 0}
        with server.stream("/v1/completions", body) as answer:
            lines = answer.iter_lines()
            next(lines)
            leaving = pool.submit(server.post, "/models/unload", {"id": "m"})
            while not leaving.done():
                if next(lines, None) is None:
                    break
            assert leaving.result(30) == {}
        assert server.post("/models/unload", {"id": "m"}) == {}
        missing = server.refused("/models/load", {"id": "n", "form": "weights", "path": str(tmp_path / "none")})
        assert missing["code"] == "base_model_unavailable"
        assert server.refused("/models/load", {"id": "n", "form": "adapter", "path": None})["param"] == "path"
        assert server.refused("/models/load", {"id": "n", "form": "other", "path": None})["param"] == "form"
        server.load("n", "weights", made["base"])
        monkeypatch.setattr(Generation, "turn", lambda work: 1 / 0)
        broken = server.refused("/v1/completions", {"model": "n", "prompt": "a"}, 500)
        assert broken["type"] == broken["code"] == "server_error" and "division by zero" in broken["message"]
        monkeypatch.setattr(Generation, "turn", lambda work: [0] * 2**62)
        assert server.refused("/v1/completions", {"model": "n", "prompt": "a"}, 500)["code"] == "out_of_memory"
        monkeypatch.setattr(Generation, "turn", lambda work: 1 / 0)
        with server.stream("/v1/completions", {"model": "n", "prompt": "a"}) as answer:
            (event,) = [json.loads(line.removeprefix("data: ")) for line in answer.iter_lines() if line]
        assert answer.status_code == 200 and event["error"]["type"] == "server_error"
