"""The live side of a dispatch: what its branches tell one another while they run.

A dispatch is one run of a pattern. Its id is in the state and travels in every `Send`; what
cannot be in a state, its events and objects, is found here through that id. After a resume in
another process there is no live side, and branches run without early end.
"""

import asyncio
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from typing_extensions import NotRequired, TypedDict

from langgraph_parallel.nodes.limits import Deadline
from langgraph_parallel.nodes.places import Bound

_UNUSED_SECONDS = 60.0
_live: dict[str, "Live"] = {}


class Dispatch(TypedDict):
    """The plain side of a dispatch, as it is in the state and in every `Send`."""

    id: str
    started: float
    """Time of day, in seconds since the epoch."""
    passed: NotRequired[bool]
    """Guardrail: whether the guards have passed the input before the answer was begun."""


class Round(Dispatch):
    """The plain side of a dispatch that goes in rounds, as voting does."""

    round: int
    """Number of the round, from 1."""
    first: int
    """Index of the round's first branch."""
    count: int
    """Number of branches in the round."""
    more: NotRequired[bool]
    """Whether the stop is satisfied, and the round asks for one more ballot to get a decision."""
    judging: NotRequired[bool]
    """Whether the round is the judge's."""
    kept: NotRequired[int]
    """How many ballots the last tally counted."""
    merged: NotRequired[dict[str, Any]]
    """Which value each label stands for, where ballots are merged."""
    asked: NotRequired[Any]
    """`Usage` of the rounds' calls outside of branches."""


class Live:
    """What the branches of one dispatch share while they run in this process."""

    def __init__(self, limit: int | None) -> None:
        self.settled = asyncio.Event()
        """Set when no branch that is still at work matters any more."""
        self.released = asyncio.Event()
        """Set when an answer that was held back may leave."""
        self.denied = asyncio.Event()
        """Set when an answer that was held back must not leave."""
        self.stale = asyncio.Event()
        """Set when the answer in flight is of no use: it is denied, or its input was rewritten."""
        self.released_anew = asyncio.Event()
        """Set when the answer to the rewritten input may leave."""
        self.rewriting: Any = None
        """Guardrail: the input on its way through the guards that may rewrite it."""
        self.outcomes: dict[int, Any] = {}
        """What finished branches found, by index."""
        self.branches: Any = None
        """Branches that only this dispatch has: those of a dynamic fan-out."""
        self.all_begun = asyncio.Event()
        """Set when every guard has its place, or none is needed any more."""
        self.begun: set[int] = set()
        """Guards that have had their place, by index."""
        self.run_limit = None if limit is None else Bound(limit)
        self._began: float | None = time.monotonic()
        self._working = 0
        self._used = time.monotonic()

    def is_unused(self) -> bool:
        """Say whether nobody has worked on it for a while: its run was given up."""
        return not self._working and time.monotonic() - self._used > _UNUSED_SECONDS

    def deadline(self, seconds: float | None) -> Deadline | None:
        """Give the deadline of the run, where the graph has one."""
        self._began = self._began or time.monotonic()
        return Deadline.after(seconds, self._began)

    def is_over(self, seconds: float | None) -> bool:
        """Say whether the deadline of the run is over."""
        deadline = self.deadline(seconds)
        return deadline is not None and time.monotonic() >= deadline.ends

    def pause(self) -> None:
        """Stop the clock: the deadline counts anew when the run goes on."""
        self._began = None

    @contextmanager
    def working(self) -> Iterator[None]:
        """Mark a branch as at work."""
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1
            self._used = time.monotonic()


def new_dispatch(limit: int | None) -> Dispatch:
    """Open a dispatch on the running loop.

    Args:
        limit: Calls in flight of this run, where the user set a bound; else `None`.
    """
    for id_, live in list(_live.items()):
        if live.is_unused():
            _live.pop(id_, None)
    dispatch = Dispatch(id=uuid.uuid4().hex, started=time.time())
    open_live(dispatch, limit)
    return dispatch


def no_dispatch() -> Dispatch:
    """Give a dispatch of no branches, for the report of a run that had nothing to do."""
    return Dispatch(id=uuid.uuid4().hex, started=time.time())


def open_live(dispatch: Dispatch, limit: int | None) -> Live:
    """Open the live side of a dispatch, also of one that was opened in another process.

    Args:
        dispatch: The dispatch.
        limit: See `new_dispatch`.
    """
    live = _live[dispatch["id"]] = Live(limit)
    return live


def find_live(dispatch: Dispatch) -> Live | None:
    """Give the live side of a dispatch, or `None` if it was not opened in this process."""
    return _live.get(dispatch["id"])


def close_dispatch(dispatch: Dispatch) -> None:
    """Forget the live side of a dispatch that is done or given up."""
    _live.pop(dispatch["id"], None)
