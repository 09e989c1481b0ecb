"""The server's HTTP face: its key, its routes as `protocol/model-server.ts` has them, and how it refuses."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .deployments import Deployments
from .errors import RequestError
from .handlers import Handlers
from .leaving import left
from .turns import Turns


def make_app(deployments: Deployments, turns: Turns, key: str, ready: Callable[[], None]):
    """The ASGI application; `ready` is called once requests may come."""
    handlers = Handlers(deployments, turns)

    @asynccontextmanager
    async def life(_app: Starlette):
        running = asyncio.create_task(turns.run())
        ready()
        yield
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    def post(path: str, handler: Callable[[Request], Awaitable[object]]) -> Route:
        return Route(path, handler, methods=["POST"])

    app = Starlette(
        lifespan=life,
        routes=[
            Route("/health", _health),
            post("/models/load", handlers.load),
            post("/models/unload", handlers.unload),
            post("/v1/chat/completions", handlers.chat),
            post("/v1/completions", handlers.completions),
            post("/v1/embeddings", handlers.embeddings),
            post("/v1/classification", handlers.classification),
            post("/v1/regression", handlers.regression),
        ],
        exception_handlers={RequestError: _refused, HTTPException: _not_here, ClientDisconnect: left},
    )
    return _with_key(app, key)


async def _health(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _refused(_request: Request, error: RequestError) -> Response:
    return JSONResponse(error.body(), error.status)


async def _not_here(_request: Request, error: HTTPException) -> Response:
    return JSONResponse(RequestError(error.status_code, str(error.detail)).body(), error.status_code)


def _with_key(app, key: str):
    expected = f"Bearer {key}".encode()

    async def checked(scope, receive, send) -> None:
        if scope["type"] == "http" and scope["path"] != "/health":
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, expected):
                refusal = RequestError(401, "The key is missing or wrong", code="invalid_api_key")
                await JSONResponse(refusal.body(), refusal.status)(scope, receive, send)
                return
        await app(scope, receive, send)

    return checked
