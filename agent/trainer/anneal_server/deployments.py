"""What is loaded, by the deployment's id, and how many requests each one has."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from .errors import RequestError
from .loading import Loader, Served


@dataclass
class _Entry:
    loading: asyncio.Future[Served]
    requests: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)


class Deployments:
    """Loads one after the other on a thread of its own, so that answers go on meanwhile."""

    def __init__(self, loader: Loader):
        self._loader = loader
        self._entries: dict[str, _Entry] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="load")

    async def load(self, id: str, form: str, path: str | None) -> Served:
        """The model of `id`, loaded if it is not; one that failed is tried again when asked again."""
        entry = self._entries.get(id)
        if entry is None:
            loop = asyncio.get_running_loop()
            entry = _Entry(loop.run_in_executor(self._thread, self._loader.load, form, path))
            self._entries[id] = entry
        try:
            # Whoever leaves does not stop the loading: the next one to ask has it.
            return await asyncio.shield(entry.loading)
        except Exception:
            if self._entries.get(id) is entry:
                del self._entries[id]
            raise

    async def unload(self, id: str) -> None:
        """No new request gets at it; returns when those that it has are done."""
        entry = self._entries.pop(id, None)
        if entry is None:
            return
        await asyncio.wait([entry.loading])
        if entry.requests > 0:
            await entry.idle.wait()

    @contextmanager
    def use(self, id: str) -> Iterator[Served]:
        """The loaded model of `id` for one request; 404 without one."""
        entry = self._entries.get(id)
        if entry is None or not entry.loading.done() or entry.loading.exception() is not None:
            raise RequestError(404, f"The model `{id}` is not loaded", "model", "model_not_found")
        entry.requests += 1
        try:
            yield entry.loading.result()
        finally:
            entry.requests -= 1
            if entry.requests == 0 and self._entries.get(id) is not entry:
                entry.idle.set()
