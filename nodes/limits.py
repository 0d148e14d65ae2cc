"""What bounds a graph: its calls in flight, and the seconds of a run."""

import asyncio
import time
from typing import NamedTuple

from langchain_core.runnables import RunnableConfig

from langgraph_parallel.errors import SetupError
from langgraph_parallel.nodes.places import Bound, Place

DEFAULT_MAX_CONCURRENCY = 16
"""Calls in flight of one graph and of all that is nested in it, over all of its runs."""

NODE_POOL = 512
"""What the builders set as LangGraph's own `max_concurrency`, if the user sets none.

LangGraph sizes the thread pool of sync runs by it: without it only CPU count + 4 branches of a
sync run work at a time. The real bound is the `Limiter`.
"""


_GRACE = 1.0


class Deadline(NamedTuple):
    """When a run ends."""

    seconds: float
    """Seconds that the whole graph may take."""
    ends: float
    """Time on the monotonic clock."""

    @classmethod
    def after(cls, seconds: float | None, began: float | None = None) -> "Deadline | None":
        """Give the deadline that many seconds after a time, or from now; `None` of `None`."""
        if seconds is None:
            return None
        return cls(seconds, (time.monotonic() if began is None else began) + seconds)

    def with_grace(self) -> "Deadline":
        """Give a second at least, to make an answer of what there is."""
        return self._replace(ends=max(self.ends, time.monotonic() + _GRACE))


class Limiter:
    """Bounds the calls in flight of a graph, and the seconds of its runs."""

    def __init__(self, max_concurrency: int, deadline: float | None = None) -> None:
        if type(max_concurrency) is not int or max_concurrency < 1:
            raise SetupError(
                f"max_concurrency={max_concurrency!r} lets no call through. Give a whole number "
                "from 1 up."
            )
        if deadline is not None and not deadline > 0:
            raise SetupError(
                f"deadline={deadline!r} leaves no time. Give seconds above 0, or None for no limit."
            )
        self.max_concurrency = max_concurrency
        self.deadline = deadline
        self._bound = Bound(max_concurrency)

    def place(self, run_limit: Bound | None = None, after: asyncio.Event | None = None) -> Place:
        """Give what waits for a free place, and holds it.

        Args:
            run_limit: A further bound, of this run alone.
            after: An event to wait for first.
        """
        return Place([self._bound, *([run_limit] if run_limit else [])], after)


def run_limit(config: RunnableConfig) -> int | None:
    """Give the bound that the user set for this run in LangGraph's config, if any."""
    limit = config.get("max_concurrency")
    return None if limit == NODE_POOL else limit
