"""Whose turn it is: one thread computes, and the requests that are worked on have a turn after each other.

A turn is a token of an answer, or a batch of texts. All but the turns themselves is on the event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

from .errors import queue_full

T = TypeVar("T")
R = TypeVar("R", covariant=True)


class Work(Protocol[R]):
    """What a request wants done."""

    @property
    def is_done(self) -> bool:
        """Whether the last turn was the last."""

    def turn(self) -> R:
        """Do the next piece, on the thread that computes."""


class Ticket(Generic[T]):
    """A request's place. Leave it by the end of `with`: what is not done by then is not done."""

    def __init__(self, turns: Turns, work: Work[T]):
        self._turns = turns
        self.work = work
        self.has_left = False
        self.results: asyncio.Queue[tuple[T | None, Exception | None]] = asyncio.Queue()

    def __enter__(self) -> Ticket[T]:
        return self

    def __exit__(self, *_error: object) -> None:
        self.has_left = True
        self._turns.forget(self)

    async def next(self) -> T:
        """What the next turn gives; raises what it raised."""
        result, error = await self.results.get()
        if error is not None:
            raise error
        return result  # type: ignore[return-value]


class Turns:
    """At most `max_active` requests are worked on, and `max_queue` more wait for that, first come first served."""

    def __init__(self, max_active: int, max_queue: int):
        self._max_active = max_active
        self._limit = max_active + max_queue
        self._active: deque[Ticket] = deque()
        self._waiting: deque[Ticket] = deque()
        self._current: Ticket | None = None
        self._has_work = asyncio.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")

    def enter(self, work: Work[T]) -> Ticket[T]:
        """A place for `work`; 429 when there is none."""
        if self.taken >= self._limit:
            raise queue_full(self._limit)
        ticket = Ticket(self, work)
        self._waiting.append(ticket)
        self._has_work.set()
        return ticket

    @property
    def taken(self) -> int:
        """How many requests have a place."""
        return len(self._active) + len(self._waiting) + (self._current is not None)

    def forget(self, ticket: Ticket) -> None:
        """Give its place to others; the turn that it has just now comes to its end."""
        for places in (self._active, self._waiting):
            if ticket in places:
                places.remove(ticket)

    async def aside(self, do: Callable[[], T]) -> T:
        """What `do` returns on the thread that computes, after the present turn: tokenizers are for one thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, do)

    async def run(self) -> None:
        """Give turns until this is cancelled."""
        while True:
            self._admit()
            if not self._active:
                self._has_work.clear()
                await self._has_work.wait()
                continue
            ticket = self._current = self._active.popleft()
            goes_on = await self._turn(ticket)
            self._current = None
            if goes_on and not ticket.has_left:
                self._active.append(ticket)

    def _admit(self) -> None:
        """Whoever is new comes first: a first token is waited for more than any other."""
        free = self._max_active - len(self._active)
        new = [self._waiting.popleft() for _ in range(min(free, len(self._waiting)))]
        self._active.extendleft(reversed(new))

    async def _turn(self, ticket: Ticket) -> bool:
        try:
            ticket.results.put_nowait((await self.aside(ticket.work.turn), None))
        except Exception as error:  # whatever it is, it is that request's, and the others go on
            ticket.results.put_nowait((None, error))
            return False
        return not ticket.work.is_done
