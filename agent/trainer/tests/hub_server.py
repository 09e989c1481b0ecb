"""A strict stand-in for a model hub over real HTTP: only what the hub's client may ask, anything else is recorded.

Models: `org/found`, `org/private` (needs the token), `org/gated`, `org/broken` (its weights break off every time),
`org/flaky` (they break off once), `org/pickle` (no safetensors), `org/busy` (503); every other id is 404.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_the_token"
_INFO = re.compile(r"/api/models/(org/[a-z]+)(?:/revision/main)?")
_TREE = re.compile(rf"/api/models/(org/[a-z]+)/tree/(?:main|{COMMIT})")
_FILE = re.compile(rf"/(org/[a-z]+)/resolve/(?:main|{COMMIT})/(.+)")


class Hub:
    """Serves the files of `folder` as every model that can be had."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.requests: list[str] = []
        self.unexpected: list[str] = []
        self.tokens: set[str | None] = set()
        self.broken_off = 0
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                hub.answer(self, with_body=True)

            def do_HEAD(self):
                hub.answer(self, with_body=False)

            def do_POST(self):
                hub.unexpected.append(f"POST {self.path}")
                hub.refuse(self, 405, "MethodNotAllowed", "no")

            def log_message(self, *_arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, handler: BaseHTTPRequestHandler, with_body: bool) -> None:
        path = handler.path.split("?")[0]
        self.requests.append(f"{handler.command} {handler.path}")
        authorization = handler.headers.get("authorization")
        self.tokens.add(authorization)
        if path == "/api/agent-harnesses":
            # Asked by the client for its User-Agent; a hub that does not know it is fine.
            return self.refuse(handler, 404, "EntryNotFound", "no such route")
        match = _INFO.fullmatch(path) or _TREE.fullmatch(path) or _FILE.fullmatch(path)
        if match is None:
            self.unexpected.append(f"{handler.command} {handler.path}")
            return self.refuse(handler, 404, "EntryNotFound", "no such route")
        model = match[1].removeprefix("org/")
        if model == "busy":
            return self.refuse(handler, 503, None, "busy")
        if model == "private" and authorization != f"Bearer {TOKEN}":
            return self.refuse(handler, 401, "RepoNotFound", "Invalid username or password.")
        if model not in ("found", "private", "gated", "broken", "flaky", "pickle"):
            return self.refuse(handler, 404, "RepoNotFound", "Repository not found")
        files = self.files(model)
        if _FILE.fullmatch(path) is None:
            return self.json(handler, self.listing(match[1], files, tree=_INFO.fullmatch(path) is None), with_body)
        if model == "gated":
            return self.refuse(handler, 403, "GatedRepo", f"Access to model {match[1]} is restricted")
        if match[2] not in files:
            return self.refuse(handler, 404, "EntryNotFound", "Entry not found")
        return self.file(handler, model, match[2], files[match[2]], with_body)

    def files(self, model: str) -> dict[str, bytes]:
        files = {path.name: path.read_bytes() for path in self.folder.iterdir()}
        files["modeling_evil.py"] = b"raise SystemExit('code of a model was run')\n"
        if model == "pickle":
            files["pytorch_model.bin"] = files.pop("model.safetensors")
        return files

    def listing(self, model_id: str, files: dict[str, bytes], tree: bool) -> object:
        if tree:
            return [
                {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for name, content in files.items()
            ]
        return {
            "id": model_id,
            "modelId": model_id,
            "sha": COMMIT,
            "private": False,
            "gated": "manual" if model_id == "org/gated" else False,
            "tags": [],
            "siblings": [{"rfilename": name} for name in files],
        }

    def file(self, handler, model: str, name: str, content: bytes, with_body: bool) -> None:
        start = 0
        if (wanted := handler.headers.get("range")) is not None:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
        handler.send_response(206 if start else 200)
        handler.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        handler.send_header("X-Repo-Commit", COMMIT)
        handler.send_header("Accept-Ranges", "bytes")
        handler.send_header("Content-Length", str(len(content) - start))
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        handler.end_headers()
        if not with_body:
            return
        breaks = name == "model.safetensors" and (model == "broken" or (model == "flaky" and self.broken_off == 0))
        if breaks:
            self.broken_off += 1
            handler.wfile.write(content[start : start + 1000])
            handler.wfile.flush()
            handler.close_connection = True
            handler.connection.close()
            return
        handler.wfile.write(content[start:])

    def json(self, handler, value: object, with_body: bool) -> None:
        body = json.dumps(value).encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if with_body:
            handler.wfile.write(body)

    def refuse(self, handler, status: int, code: str | None, message: str) -> None:
        body = b"" if handler.command == "HEAD" else json.dumps({"error": message}).encode()
        handler.send_response(status)
        if code is not None:
            handler.send_header("X-Error-Code", code)
        handler.send_header("X-Error-Message", message)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
