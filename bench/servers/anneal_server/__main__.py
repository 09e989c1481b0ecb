"""A model server that only keeps time: each request says how many tokens it wants, and how fast.

Its script is the prompt, or the last message's content: `{"tag": "a", "tokens": 64, "per_second": 30}`. Token n is
`<tag>:<n> ` and comes n / per_second after the head; at once when per_second is 0. So a reader knows every token that
it must get, and no other. Every request is worked on at once, however many there are.
"""

import asyncio
import json
import os
import signal
import sys

from .http import Connection, Refused, Request, serve_connections


class Server:
    """What is loaded, and what it answers."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.models: set[str] = set()

    async def answer(self, request: Request, connection: Connection) -> None:
        """One request to its end; Refused before its head becomes the answer."""
        if request.path == "/health":
            return await connection.send_json(200, {})
        if request.headers.get("authorization") != f"Bearer {self.key}":
            raise Refused(401, "the key is wrong")
        if request.path == "/models/load":
            self.models.add(request.json()["id"])
            return await connection.send_json(200, {"id": request.json()["id"]})
        if request.path == "/models/unload":
            self.models.discard(request.json()["id"])
            return await connection.send_json(200, {})
        if request.path not in ("/v1/chat/completions", "/v1/completions"):
            raise Refused(400, f"nothing is paced at {request.path}")
        return await self.generate(request, connection)

    async def generate(self, request: Request, connection: Connection) -> None:
        """The tokens of a script, each at its time."""
        body = request.json()
        if body.get("model") not in self.models:
            raise Refused(404, f"{body.get('model')} is not loaded", "model")
        is_chat = request.path == "/v1/chat/completions"
        script = _script(body, is_chat)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        is_streamed = bool(body.get("stream"))
        if is_streamed:
            await connection.begin_stream("text/event-stream")
        text = ""
        for n in range(script["tokens"]):
            if script["per_second"] > 0:
                await asyncio.sleep(max(0.0, begun + n / script["per_second"] - loop.time()))
            token = f"{script['tag']}:{n} "
            text += token
            if is_streamed:
                await connection.send(_event(_piece(is_chat, {"role": "assistant", "content": token}, token, None)))
            elif connection.is_gone():
                return None
        usage = {"prompt_tokens": 1, "completion_tokens": script["tokens"], "total_tokens": script["tokens"] + 1}
        if not is_streamed:
            message = {"role": "assistant", "content": text}
            choice = {"message": message} if is_chat else {"text": text}
            answer = {**_envelope(is_chat, False), "choices": [{"index": 0, **choice, "finish_reason": "stop"}]}
            return await connection.send_json(200, {**answer, "usage": usage})
        last = _piece(is_chat, {}, "", "stop")
        await connection.send(_event(last))
        if (body.get("stream_options") or {}).get("include_usage"):
            await connection.send(_event({**_envelope(is_chat, True), "choices": [], "usage": usage}))
        await connection.send(b"data: [DONE]\n\n")
        return await connection.end_stream()


def _script(body: dict, is_chat: bool) -> dict:
    param = "messages" if is_chat else "prompt"
    try:
        script = json.loads(body["messages"][-1]["content"] if is_chat else body["prompt"])
        return {"tag": str(script["tag"]), "tokens": int(script["tokens"]), "per_second": float(script["per_second"])}
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise Refused(400, "what is asked is no script of tokens", param) from error


def _envelope(is_chat: bool, is_piece: bool) -> dict:
    kind = ("chat.completion.chunk" if is_piece else "chat.completion") if is_chat else "text_completion"
    return {"id": "paced", "object": kind, "created": 0, "model": "paced"}


def _piece(is_chat: bool, delta: dict, text: str, finish: str | None) -> dict:
    part = {"delta": delta} if is_chat else {"text": text}
    return {**_envelope(is_chat, True), "choices": [{"index": 0, **part, "finish_reason": finish}]}


def _event(value: dict) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


async def main() -> None:
    """Serves until SIGTERM, or until the agent's end closes the life pipe."""
    with open(sys.argv[1], encoding="utf-8") as file:
        json.load(file)  # It is there, and whole; nothing in it changes what is done here.
    server = Server(os.environ["ANNEAL_SERVER_KEY"])
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    loop.add_reader(int(os.environ["ANNEAL_LIFE_FD"]), ended.set)
    listener = await serve_connections(server.answer)
    port = listener.sockets[0].getsockname()[1]
    line = {"type": "ready", "port": port, "versions": {"paced": "1"}}
    os.write(int(os.environ["ANNEAL_REPORT_FD"]), json.dumps(line).encode() + b"\n")
    await ended.wait()
    os._exit(0)  # Streams that still go are not waited for: nothing is saved.


asyncio.run(main())
