"""The server's HTTP face: keys, bodies, errors, and one route for each of `protocol/model-server.ts`."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, suppress
from typing import TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from .deployments import Deployments
from .errors import RequestError, invalid
from .failures import told
from .fields import Body, text
from .generation import Generation, TextModel
from .loading import Served
from .text_answers import TextAnswer
from .text_requests import TextRequest
from .turns import Turns
from .whole_texts import Embedding, EmbeddingModel, Reading, SequenceModel

T = TypeVar("T")
_FORMS = ("base", "adapter", "weights")
_CLIENT_GONE = 499  # nobody reads it


def make_app(deployments: Deployments, turns: Turns, key: str, ready: Callable[[], None]):
    """The ASGI application; `ready` is called once requests may come."""
    handlers = _Handlers(deployments, turns)

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
        exception_handlers={RequestError: _refused, HTTPException: _not_here, ClientDisconnect: _left},
    )
    return _with_key(app, key)


class _Handlers:
    def __init__(self, deployments: Deployments, turns: Turns):
        self._deployments = deployments
        self._turns = turns

    async def load(self, request: Request) -> Response:
        body = await _body(request)
        form, path = body.get("form"), body.get("path")
        if form not in _FORMS:
            raise invalid("form", f"`form` must be one of {', '.join(_FORMS)}")
        if not (path is None if form == "base" else isinstance(path, str)):
            raise invalid("path", "`path` must be null for the base, and a folder otherwise")
        id = text(body, "id")
        model = await _failing_plainly(self._deployments.load(id, str(form), path))  # type: ignore[arg-type]
        labels = model.labels if isinstance(model, SequenceModel) else None
        return JSONResponse({"id": id} if labels is None else {"id": id, "labels": labels})

    async def unload(self, request: Request) -> Response:
        await self._deployments.unload(text(await _body(request), "id"))
        return JSONResponse({})

    async def chat(self, request: Request):
        return await self._text(request, is_chat=True)

    async def completions(self, request: Request):
        return await self._text(request, is_chat=False)

    async def _text(self, request: Request, is_chat: bool):
        body = await _body(request)
        with ExitStack() as held:
            model = _of_kind(held, self._deployments, body, TextModel)
            asked = TextRequest.of(body, is_chat)
            ready = await _failing_plainly(self._turns.aside(lambda: asked.for_model(model)))
            work = Generation(model, ready)
            ticket = held.enter_context(self._turns.enter(work))
            answer = TextAnswer(text(body, "model"), is_chat, len(ready.prompt))
            if not asked.stream:
                return await _unless_gone(request, answer.whole(ticket, work))
            pieces = answer.pieces(ticket, work, asked.include_usage)
            return _holding(held.pop_all(), StreamingResponse(pieces, media_type="text/event-stream"))

    async def embeddings(self, request: Request) -> Response:
        return await self._at_once(request, EmbeddingModel, Embedding)

    async def classification(self, request: Request) -> Response:
        return await self._at_once(request, SequenceModel, Reading, has_labels=True)

    async def regression(self, request: Request) -> Response:
        return await self._at_once(request, SequenceModel, Reading, has_labels=False)

    async def _at_once(self, request: Request, kind, work_of, has_labels: bool | None = None) -> Response:
        body = await _body(request)
        with ExitStack() as held:
            model = _of_kind(held, self._deployments, body, kind)
            if has_labels is not None and has_labels != (model.labels is not None):
                raise _other_task(body)
            work = await _failing_plainly(self._turns.aside(lambda: work_of.of(body, model)))
            ticket = held.enter_context(self._turns.enter(work))

            async def answer() -> dict[str, object]:
                while True:
                    result = await ticket.next()
                    if result is not None:
                        return {"model": body["model"], **result}

            return await _unless_gone(request, answer())


def _of_kind(held: ExitStack, deployments: Deployments, body: Body, kind: type):
    """The model that a body names, until `held` ends."""
    model: Served = held.enter_context(deployments.use(text(body, "model")))
    if not isinstance(model, kind):
        raise _other_task(body)
    return model


def _other_task(body: Body) -> RequestError:
    return invalid("model", f"The model `{body['model']}` does not answer requests of this kind")


async def _health(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _body(request: Request) -> Body:
    try:
        body = json.loads(await request.body())
    except ValueError as error:
        raise RequestError(400, f"The body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise RequestError(400, "The body must be a JSON object")
    return body


async def _failing_plainly(wanted: Awaitable[T]) -> T:
    try:
        return await wanted
    except RequestError:
        raise
    except Exception as error:  # a model's own failure is an answer that says why
        raise told(error) from error


async def _unless_gone(request: Request, wanted: Awaitable[dict[str, object]]) -> Response:
    """The answer; what the client does not wait for any more is not worked on any more."""
    work = asyncio.ensure_future(wanted)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        return JSONResponse(await _failing_plainly(work)) if work.done() else await _left(request)
    finally:
        work.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _holding(held: AbstractContextManager, response: Response):
    """A response that lets go of what it holds when it is over, however it ends."""

    async def answer(scope, receive, send) -> None:
        with held:
            await response(scope, receive, send)

    return answer


async def _left(_request: Request, _error: Exception | None = None) -> Response:
    return Response(status_code=_CLIENT_GONE)


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
