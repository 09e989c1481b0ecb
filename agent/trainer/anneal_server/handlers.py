"""What each route of the server does."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from contextlib import ExitStack
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from .deployments import Deployments
from .errors import RequestError, invalid
from .failures import told
from .fields import Body, text
from .generation import Generation, TextModel
from .leaving import holding, unless_gone
from .loading import Served
from .text_answers import TextAnswer
from .text_requests import TextRequest
from .turns import Turns
from .whole_texts import Embedding, EmbeddingModel, Reading, SequenceModel

T = TypeVar("T")
_FORMS = ("base", "adapter", "weights")


class Handlers:
    """A method for each route: it reads the body, has the work done, and answers."""

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
                return await unless_gone(request, _failing_plainly(answer.whole(ticket, work)))
            pieces = answer.pieces(ticket, work, asked.include_usage)
            return holding(held.pop_all(), StreamingResponse(pieces, media_type="text/event-stream"))

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

            return await unless_gone(request, _failing_plainly(answer()))


def _of_kind(held: ExitStack, deployments: Deployments, body: Body, kind: type):
    """The model that a body names, until `held` ends."""
    model: Served = held.enter_context(deployments.use(text(body, "model")))
    if not isinstance(model, kind):
        raise _other_task(body)
    return model


def _other_task(body: Body) -> RequestError:
    return invalid("model", f"The model `{body['model']}` does not answer requests of this kind")


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
