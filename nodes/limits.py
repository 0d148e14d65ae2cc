"""How many calls of a graph are in flight at once."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from langchain_core.runnables import RunnableConfig

from langgraph_parallel.errors import SetupError

DEFAULT_MAX_CONCURRENCY = 16
"""Calls in flight of one graph, over all of its runs in one event loop."""

NODE_POOL = 512
"""What the builders set as LangGraph's own `max_concurrency`, if the user sets none.

LangGraph sizes the thread pool of sync runs by it: without it only CPU count + 4 branches of a
sync run work at a time. The real bound is the `Limiter`.
"""


class Limiter:
    """Bounds calls in flight, per event loop, first come first served."""

    def __init__(self, max_concurrency: int) -> None:
        if type(max_concurrency) is not int or max_concurrency < 1:
            raise SetupError(
                f"max_concurrency={max_concurrency!r} lets no call through. Give a whole number "
                "from 1 up."
            )
        self.max_concurrency = max_concurrency
        self._lock = threading.Lock()
        self._semaphores: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def place(
        self, run_limit: asyncio.Semaphore | None = None, after: asyncio.Event | None = None
    ) -> AsyncIterator[None]:
        """Wait for a free place, and hold it.

        Args:
            run_limit: A further bound, of this run alone.
            after: An event to wait for first.
        """
        if after is not None:
            await after.wait()
        async with run_limit or _unbounded(), self._semaphore():
            yield

    def _semaphore(self) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        with self._lock:
            if loop not in self._semaphores:
                self._semaphores = {k: s for k, s in self._semaphores.items() if not k.is_closed()}
                self._semaphores[loop] = asyncio.Semaphore(self.max_concurrency)
            return self._semaphores[loop]


def run_limit(config: RunnableConfig) -> int | None:
    """Give the bound that the user set for this run in LangGraph's config, if any."""
    limit = config.get("max_concurrency")
    return None if limit == NODE_POOL else limit


@asynccontextmanager
async def _unbounded() -> AsyncIterator[None]:
    yield
