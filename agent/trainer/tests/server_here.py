"""The model server inside the test's process, over real HTTP: the imports of torch are paid once."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import httpx
import uvicorn

from anneal_server.app import make_app
from anneal_server.config import ServerConfig
from anneal_server.deployments import Deployments
from anneal_server.loading import Loader
from anneal_server.turns import Turns
from anneal_trainer.config import BaseModel

KEY = "key-of-the-test"


def server_config(base: dict, **changes) -> dict:
    """What the agent would write."""
    return {
        "version": 1,
        "engine_id": "eng_test",
        "task": "text-generation",
        "base_model": base,
        "gpus": [],
        "torch_threads": 1,
        "max_active": 4,
        "max_queue": 64,
        **changes,
    }


class ServerHere:
    """A running server; `with` ends it."""

    def __init__(self, folder: Path, base: dict, **changes):
        config = ServerConfig(**{**server_config(base, **changes), "base_model": BaseModel(**base)})
        self.loader = Loader(config, str(folder), None)
        self.deployments = Deployments(self.loader)
        self.turns = Turns(config.max_active, config.max_queue)
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        is_ready = threading.Event()
        app = make_app(self.deployments, self.turns, KEY, is_ready.set)
        self._server = uvicorn.Server(uvicorn.Config(app, lifespan="on", log_level="warning"))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]})
        self._thread.start()
        assert is_ready.wait(30)
        self.client = client_of(listener.getsockname()[1])

    def __enter__(self) -> ServerHere:
        return self

    def __exit__(self, *_error) -> None:
        self.client.close()
        self._server.should_exit = True
        self._thread.join(30)

    def load(self, id: str, form: str, path: Path | None = None) -> dict:
        return self.post("/models/load", {"id": id, "form": form, "path": path and str(path)})

    def post(self, path: str, body: dict, status: int = 200) -> dict:
        answer = self.client.post(path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def refused(self, path: str, body: dict, status: int = 400) -> dict:
        """The error of a request that must fail, with its parts in OpenAI's places."""
        error = self.post(path, body, status)["error"]
        assert error.keys() == {"message", "type", "param", "code"} and error["message"]
        return error

    def stream(self, path: str, body: dict):
        """An open stream; its `iter_lines` are the events."""
        return self.client.stream("POST", path, json={**body, "stream": True})


def client_of(port: int, key: str = KEY) -> httpx.Client:
    limits = httpx.Limits(max_connections=200)
    headers = {"authorization": f"Bearer {key}"}
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60, limits=limits)


def events(lines) -> list[dict]:
    """A stream's events to its end, which must be the proper one."""
    data = [line.removeprefix("data: ") for line in lines if line]
    assert data[-1] == "[DONE]", data[-1]
    return [json.loads(one) for one in data[:-1]]
