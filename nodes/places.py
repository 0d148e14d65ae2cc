"""Places for calls in flight, in one graph and in a whole tree of nested ones."""

import asyncio
import heapq
import itertools
import threading
from collections.abc import Iterable
from contextvars import ContextVar, Token
from types import TracebackType

_lock = threading.RLock()  # the garbage collector may end a coroutine that holds a place
_numbers = itertools.count()


class Bound:
    """A number of places, for any number of event loops and threads.

    Who waits gets a free place in order of depth, deepest first, then of arrival: what has begun
    is finished before anything else begins.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.number = next(_numbers)
        """Places are taken in this order everywhere, so that nobody waits in a circle."""
        self._free = size
        self._waiting: list[tuple[int, int, _Waiter]] = []

    async def acquire(self, depth: int) -> None:
        """Wait for a free place and take it."""
        with _lock:
            if self._free:
                self._free -= 1
                return
            waiter = _Waiter()
            heapq.heappush(self._waiting, (-depth, next(_numbers), waiter))
        try:
            await waiter.future
        except BaseException:
            with _lock:
                waiter.is_gone = True
                if waiter.is_served:
                    self.release()
            raise

    def release(self) -> None:
        """Give a place back."""
        with _lock:
            while self._waiting:
                if heapq.heappop(self._waiting)[2].serve():
                    return
            self._free += 1


class _Waiter:
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.future = self._loop.create_future()
        self.is_served = self.is_gone = False

    def serve(self) -> bool:
        if self.is_gone:
            return False
        try:
            self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:  # the loop is closed
            return False
        self.is_served = True
        return True

    def _wake(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


class Place:
    """What a branch holds while it works: a place in its own graph and in all graphs around it.

    A branch that runs a graph makes no call itself: while that graph's branches wait or work, its
    place is free for them, and it has it back when they have ended. So nesting cannot dead-lock.
    """

    def __init__(self, bounds: Iterable[Bound], after: asyncio.Event | None = None) -> None:
        self._around = around = _here.get()
        own = {*bounds, *(around.bounds if around else ())}
        self.bounds: list[Bound] = sorted(own, key=lambda bound: bound.number)
        """All that the branch takes a place of."""
        self.depth: int = around.depth + 1 if around else 0
        """How many branches are around this one."""
        self.is_held = False
        """Whether it has its place now."""
        self._after = after
        self._is_open = False
        self._inside = 0
        self._token: Token[Place | None] | None = None

    async def __aenter__(self) -> None:
        """Wait for the place."""
        if self._around:
            self._around.enter()
        try:
            if self._after is not None:
                await self._after.wait()
            await self._take(self.depth)
        except BaseException:
            if self._around:
                self._around.leave()
            raise
        self._is_open = self.is_held = True
        self._token = _here.set(self)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the place to the branch around, if nothing else is left in it, or back."""
        if self._token:
            _here.reset(self._token)
        with _lock:
            if self._around:
                self._around.leave()
            self.give_back()

    def give_back(self) -> None:
        """End the use of the place before the branch ends: its last call is done."""
        with _lock:
            self._is_open = False
            if not self.is_held:
                return
            self.is_held = False
            around = self._around
            passed_on: list[Bound] = []
            if around and around.is_without():
                around.is_held, passed_on = True, around.bounds
            self._release(bound for bound in self.bounds if bound not in passed_on)

    async def regain(self) -> None:
        """Wait until the branch has its place back, unless others are at work in it."""
        if not self.is_without():
            return
        await self._take(self.depth + 1)
        with _lock:
            if self.is_without():
                self.is_held = True
            else:
                self._release(self.bounds)

    def is_without(self) -> bool:
        """Say whether the branch is without its place although nothing in it is left."""
        return self._is_open and not self.is_held and not self._inside

    def enter(self) -> None:
        """Count a branch in this one, and free the place for it."""
        with _lock:
            self._inside += 1
            if self.is_held:
                self.is_held = False
                self._release(self.bounds)

    def leave(self) -> None:
        """Count a branch in this one no more."""
        with _lock:
            self._inside -= 1

    async def _take(self, depth: int) -> None:
        taken = []
        try:
            for bound in self.bounds:
                await bound.acquire(depth)
                taken.append(bound)
        except BaseException:
            self._release(taken)
            raise

    def _release(self, bounds: Iterable[Bound]) -> None:
        for bound in bounds:
            bound.release()


_here: ContextVar[Place | None] = ContextVar("place", default=None)


def current_place() -> Place | None:
    """Give the place of the branch in which this code runs, if it runs in one."""
    return _here.get()
