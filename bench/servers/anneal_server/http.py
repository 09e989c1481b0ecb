"""As much of HTTP/1.1 as an agent's client needs: connections that stay, bodies of both kinds, streamed answers."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

MAX_BODY_BYTES = 16 * 1024 * 1024


class Refused(Exception):
    """An answer of 400 or more, before its head."""

    def __init__(self, status: int, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": None}}


@dataclass
class Request:
    """One request, read to its end."""

    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict:
        try:
            value = json.loads(self.body)
        except ValueError as error:
            raise Refused(400, "the body is not JSON") from error
        if not isinstance(value, dict):
            raise Refused(400, "the body is no object")
        return value


class Connection:
    """A client's connection, on which one request is answered after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def is_gone(self) -> bool:
        return self._writer.is_closing() or self._reader.at_eof()

    async def send_json(self, status: int, value: dict) -> None:
        body = json.dumps(value).encode()
        self._head(status, "application/json", f"content-length: {len(body)}")
        self._writer.write(body)
        await self._writer.drain()

    async def begin_stream(self, content_type: str) -> None:
        self._head(200, content_type, "transfer-encoding: chunked")
        await self._writer.drain()

    async def send(self, data: bytes) -> None:
        if self.is_gone():
            raise ConnectionResetError
        self._writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await self._writer.drain()

    async def end_stream(self) -> None:
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def read(self) -> Request | None:
        """The next request; None when the client has no more."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.decode("latin-1").strip().split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return Request(first.split(" ")[1], headers, await self._body(headers))

    async def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            length = int(headers.get("content-length", "0"))
            if length > MAX_BODY_BYTES:
                raise Refused(413, "the body is too large")
            return await self._reader.readexactly(length)
        body = b""
        while size := int((await self._reader.readline()).split(b";")[0], 16):
            body += (await self._reader.readexactly(size + 2))[:-2]
            if len(body) > MAX_BODY_BYTES:
                raise Refused(413, "the body is too large")
        await self._reader.readline()
        return body

    def _head(self, status: int, content_type: str, length: str) -> None:
        head = f"HTTP/1.1 {status} Answer\r\ncontent-type: {content_type}\r\n{length}\r\n\r\n"
        self._writer.write(head.encode())


async def serve_connections(answer: Callable[[Request, Connection], Awaitable[None]]) -> asyncio.Server:
    """Listens on a free port of this machine alone."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        try:
            while (request := await connection.read()) is not None:
                try:
                    await answer(request, connection)
                except Refused as refused:
                    await connection.send_json(refused.status, refused.body)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # The client has left; its request is over.
        finally:
            writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0, backlog=256)
