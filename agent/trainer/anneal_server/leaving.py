"""Clients that leave: what they asked for is not worked on any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import AbstractContextManager

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

_CLIENT_GONE = 499


async def unless_gone(request: Request, wanted: Awaitable[dict[str, object]]) -> Response:
    """The answer; what the client does not wait for any more is not worked on any more."""
    work = asyncio.ensure_future(wanted)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        return JSONResponse(await work) if work.done() else await left(request)
    finally:
        work.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def holding(held: AbstractContextManager, response: Response):
    """A response that lets go of what it holds when it is over, however it ends."""

    async def answer(scope, receive, send) -> None:
        with held:
            await response(scope, receive, send)

    return answer


async def left(_request: Request, _error: Exception | None = None) -> Response:
    """An answer that nobody reads."""
    return Response(status_code=_CLIENT_GONE)
