"""Ends tasks for certain."""

import asyncio
from collections.abc import Iterable
from typing import Any

_PATIENCE = (0.02, 0.2, 1.0)
"""Seconds to wait for a task to end before it is cancelled again."""


async def end(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel tasks and wait until they have ended; their results and errors stay in them.

    Before Python 3.12 `asyncio.wait_for`, which clients use around each piece of a stream, can
    swallow a cancellation that arrives together with a piece. So it is repeated, with enough
    patience for a task that is cleaning up.

    Args:
        tasks: Tasks and futures, done or not.
    """
    tasks = set(tasks)
    left = {task for task in tasks if not task.done()}
    patience = iter(_PATIENCE)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=next(patience, _PATIENCE[-1]))
    for task in tasks:
        if not task.cancelled():
            task.exception()  # marks it as seen: else asyncio would print it
