"""Whether what an answer does, beside writing, may happen yet."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from contextvars import ContextVar

from langgraph_parallel.nodes.cancel import end

_current: ContextVar["Permit | None"] = ContextVar("langgraph_parallel_permit", default=None)


class Permit:
    """The permission for the side effects of one answer, known to all that it calls.

    It is a future of a thread's kind, so that code on any event loop and in any thread can wait.
    """

    def __init__(self, outer: "Permit | None") -> None:
        self.outer = outer
        """That of the guardrail around this one, which must be given too."""
        self.given: Future[bool] = Future()
        """`True` once the answer may act, `False` if it is over before."""
        self.given.set_running_or_notify_cancel()  # a waiter that is cancelled does not end it

    def settle(self, *, given: bool) -> None:
        """Give or refuse the permit, unless that is settled."""
        if not self.given.done():
            self.given.set_result(given)

    def enter(self) -> None:
        """Make the permit known to what is called from here on."""
        _current.set(self)

    async def follow(self, passed: asyncio.Event) -> None:
        """Give the permit when the event is set."""
        await passed.wait()
        self.settle(given=True)


@asynccontextmanager
async def permit_after(passed: asyncio.Event | None) -> AsyncIterator[Permit]:
    """Make the permit of an answer that is written while the block runs.

    Args:
        passed: Set when the guards have passed the input; `None` if they have already.
    """
    permit = Permit(_current.get())
    watch = None
    if passed is None:
        permit.settle(given=True)
    else:
        watch = asyncio.ensure_future(permit.follow(passed))
    try:
        yield permit
    finally:
        permit.settle(given=False)
        if watch is not None:
            await end([watch])


async def wait() -> None:
    """Wait until the answer that this is a part of may act; return at once outside of answers.

    Raises:
        asyncio.CancelledError: The guards denied the answer, or it is over.
    """
    permit = _current.get()
    while permit is not None:
        _check(await asyncio.wrap_future(permit.given))
        permit = permit.outer


def wait_in_thread() -> None:
    """Do as `wait` does, for plain functions.

    Raises:
        asyncio.CancelledError: The guards denied the answer, or it is over.
        RuntimeError: It was called on an event loop, which would never hear of the verdict.
    """
    permit = _current.get()
    while permit is not None:
        if not permit.given.done() and _is_on_a_loop():
            raise RuntimeError(
                "A plain function that waits for the verdict was called on the event loop, which "
                "it would block for ever. Make it async, or call it in a thread "
                "(asyncio.to_thread)."
            )
        _check(permit.given.result())
        permit = permit.outer


def _check(given: bool) -> None:
    if not given:
        raise asyncio.CancelledError("The guardrail gave no permission: the answer is discarded.")


def _is_on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
