"""Frees the place of an answer that makes no call any more, and only waits for its verdict."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from langgraph_parallel.nodes.places import current_place


async def freeing_place(
    source: AsyncIterator[Any], released: asyncio.Event | None, max_held: int
) -> AsyncIterator[Any]:
    """Pass on an answer's pieces, and give its place back when it is written.

    Else a guard that is a graph could wait for a place that the answer holds, while the answer
    waits for that guard. An answer that may be read no further for now gives it back too.

    Args:
        source: The pieces.
        released: Set when the answer may leave; `None` if it may from the start.
        max_held: Pieces that may wait until then.

    Yields:
        The same pieces.
    """
    place = current_place()
    held = 0
    async with aclosing(source):  # type: ignore[type-var]
        async for piece in source:
            held += released is not None and not released.is_set()
            if held == max_held and place:
                place.give_back()
            yield piece
    if place:
        place.give_back()
