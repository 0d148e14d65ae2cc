"""Runs the work of one branch to an outcome: limits, retries, deadline, early end."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from langgraph.errors import GraphBubbleUp
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

from langgraph_parallel.nodes.backoff import is_worth_a_retry, wait_before_retry
from langgraph_parallel.nodes.branch import Status
from langgraph_parallel.nodes.cancel import end
from langgraph_parallel.nodes.limits import Deadline


@dataclass
class Outcome:
    """How the work of a branch ended."""

    status: Status = "cancelled"
    output: Any = None
    error: BaseException | str | None = None
    attempts: int = 0
    started: float | None = None
    """Time of day when the work began; `None` if it never did."""
    ended: float = 0.0


async def attempt(
    work: Callable[[], Awaitable[Any]],
    *,
    place: AbstractAsyncContextManager[None],
    retries: int,
    timeout: float | None = None,
    deadline: Deadline | None = None,
    settled: asyncio.Event | None = None,
) -> Outcome:
    """Run some work; whatever comes of it is a value.

    Only two things are raised: the cancellation of the caller, after the work has been
    cancelled and has ended, and LangGraph's own signals, such as an interrupt.

    Args:
        work: The work; called once per try.
        place: Held while the work runs.
        retries: Further tries after an error with which a retry can help.
        timeout: Seconds that the work may take from when it has its place, tries included.
        deadline: When the whole graph's time is over; waiting for places counts.
        settled: Ends the work early as `"cancelled"`.
    """
    outcome = Outcome()
    late: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    call = asyncio.ensure_future(
        _call(work, outcome, late, place=place, retries=retries, timeout=timeout, deadline=deadline)
    )
    waits: set[asyncio.Future[Any]] = {call, late}
    if settled is not None:
        waits.add(asyncio.ensure_future(settled.wait()))
    try:
        with _timer(late, deadline):
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        is_late = late.done() and not call.done()
        await end(waits)
        outcome.ended = time.time()
    if is_late:
        outcome.status, outcome.error = "timeout", late.result()
    elif call.cancelled():
        is_settled = settled is not None and settled.is_set()
        outcome.status = "cancelled" if is_settled else "error"
        outcome.error = "No longer needed." if is_settled else "The call was cancelled from within."
    elif isinstance(error := call.exception(), GraphBubbleUp) or (
        error is not None and not isinstance(error, Exception)
    ):
        raise error
    elif error is not None:
        outcome.status, outcome.error = "error", error
    else:
        outcome.status, outcome.output = "ok", call.result()
    return outcome


async def _call(
    work: Callable[[], Awaitable[Any]],
    outcome: Outcome,
    late: asyncio.Future[str],
    *,
    place: AbstractAsyncContextManager[None],
    retries: int,
    timeout: float | None,
    deadline: Deadline | None,
) -> Any:
    async with place:
        if deadline is not None and time.monotonic() >= deadline.ends:
            await asyncio.Event().wait()  # begins nothing: its timer ends it
        outcome.started = time.time()
        with _timer(late, timeout):
            async for trial in AsyncRetrying(
                stop=stop_after_attempt(1 + retries),
                wait=wait_before_retry,
                retry=retry_if_exception(is_worth_a_retry),
                reraise=True,
            ):
                with trial:
                    outcome.attempts += 1
                    try:
                        return await work()
                    except SystemExit as error:  # would end the event loop
                        raise RuntimeError(f"It called sys.exit({error.code!r}).") from error
    return None  # pragma: no cover  # AsyncRetrying returns or raises


@contextmanager
def _timer(late: asyncio.Future[str], limit: Deadline | float | None) -> Iterator[None]:
    """Set the reason when the time is over that some code may take."""
    if limit is None:
        yield
        return
    if isinstance(limit, Deadline):
        seconds = limit.ends - time.monotonic()
        reason = f"The graph's deadline of {limit.seconds:g} seconds was over."
    else:
        seconds, reason = limit, f"No result within {limit:g} seconds."
    timer = asyncio.get_running_loop().call_later(
        seconds, lambda: None if late.done() else late.set_result(reason)
    )
    try:
        yield
    finally:
        timer.cancel()
