"""Keeps one set of models per event loop, and closes their clients with the loop.

A client belongs to the loop that first used it: used under a second `asyncio.run` it fails for
good.
"""

import asyncio
import atexit
import contextlib
from collections.abc import AsyncGenerator, Hashable

import openai
from langchain_core.language_models import BaseChatModel

_EXIT_SECONDS = 2.0


class LoopModels:
    """The models of one event loop.

    Attributes:
        models: The models by what they were made from.
        making: Held while one is made.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.models: dict[Hashable, BaseChatModel] = {}
        self.making = asyncio.Lock()
        self._clients: list[openai.DefaultAioHttpClient] = []
        self._life = self._live(loop)

    def keep(
        self, key: Hashable, model: BaseChatModel, client: openai.DefaultAioHttpClient | None
    ) -> None:
        """Keep a model, unless its key is `None`, and close its client with the loop."""
        if key is not None:
            self.models[key] = model
        if client is not None:
            self._clients.append(client)

    async def start(self) -> None:
        """Begin to watch for the end of the running loop."""
        await anext(self._life)

    async def close(self) -> None:
        """Close the clients, on any loop if their own is closed."""
        await self._life.aclose()

    async def _live(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None, None]:
        # `asyncio.run`, uvloop and pytest close the generators that were started on a loop. There
        # is no other way to learn of the end of a loop while it still runs.
        try:
            yield
        finally:
            _by_loop.pop(loop, None)
            for client in self._clients:
                await client.aclose()


# Each thread adds under its own loop's key only, and a closed loop is popped by one, so there is
# nothing to lock.
_by_loop: dict[asyncio.AbstractEventLoop, LoopModels] = {}


async def loop_models() -> LoopModels:
    """Get the models of the running loop; those of loops that have been closed are dropped."""
    loop = asyncio.get_running_loop()
    here = _by_loop.get(loop)
    if here is None:
        here = _by_loop[loop] = LoopModels(loop)
        await here.start()
        for other in [loop for loop in list(_by_loop) if loop.is_closed()]:
            if left := _by_loop.pop(other, None):
                await left.close()
    return here


@atexit.register
def _close_what_is_left() -> None:
    # Loops that nobody closes, as in notebooks.
    for loop, left in list(_by_loop.items()):
        with contextlib.suppress(Exception):
            if loop.is_running():
                asyncio.run_coroutine_threadsafe(left.close(), loop).result(_EXIT_SECONDS)
            elif loop.is_closed():
                asyncio.run(left.close())
            else:
                loop.run_until_complete(left.close())
