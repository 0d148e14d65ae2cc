"""How the work of one branch ends: well, by an error, late, or no longer needed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from langgraph.errors import GraphInterrupt

from langgraph_parallel.nodes.attempt import Outcome, attempt


class Place:
    """A place that says who holds it."""

    def __init__(self, *, free: bool = True) -> None:
        self.free = asyncio.Event()
        if free:
            self.free.set()
        self.held = 0
        self.taken = 0

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        await self.free.wait()
        self.held += 1
        self.taken += 1
        try:
            yield
        finally:
            self.held -= 1


def try_it(
    work: Callable[[], Awaitable[Any]],
    place: AbstractAsyncContextManager[None],
    *,
    retries: int = 0,
    timeout: float | None = None,
    settled: asyncio.Event | None = None,
) -> Awaitable[Outcome]:
    return attempt(work, place=place, retries=retries, timeout=timeout, settled=settled)


async def forever() -> None:
    await asyncio.Event().wait()


async def test_work_that_ends_well_is_ok_with_its_output() -> None:
    place = Place()

    async def work() -> int:
        assert place.held == 1
        return 3

    outcome = await try_it(work, place())
    assert (outcome.status, outcome.output, outcome.attempts) == ("ok", 3, 1)
    assert outcome.started is not None
    assert outcome.ended >= outcome.started
    assert place.held == 0


async def test_an_error_is_a_value() -> None:
    error, place = LookupError("lost"), Place()

    async def work() -> None:
        raise error

    outcome = await try_it(work, place())
    assert (outcome.status, outcome.error, place.held) == ("error", error, 0)


@pytest.mark.usefixtures("no_waits")
async def test_one_place_is_held_over_all_tries() -> None:
    place, held = Place(), []

    async def work() -> str:
        held.append((place.held, place.taken))
        if len(held) < 3:
            raise ConnectionError("try again")
        return "fine"

    outcome = await try_it(work, place(), retries=2)
    assert (outcome.output, outcome.attempts, held) == ("fine", 3, [(1, 1)] * 3)


@pytest.mark.usefixtures("no_waits")
async def test_the_timeout_is_for_all_tries_together() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise ConnectionError("try again")

    outcome = await try_it(work, Place()(), retries=10**9, timeout=0.02)
    assert (outcome.status, outcome.error) == ("timeout", "No result within 0.02 seconds.")
    assert outcome.attempts > 1


async def test_the_time_runs_from_when_the_place_is_taken() -> None:
    place = Place(free=False)
    asyncio.get_running_loop().call_later(1.1, place.free.set)
    assert (await try_it(lambda: asyncio.sleep(0), place(), timeout=1.0)).status == "ok"


async def test_work_that_is_no_longer_needed_is_cancelled_and_gives_its_place_back() -> None:
    place, settled, ended = Place(), asyncio.Event(), []

    async def work() -> None:
        settled.set()
        try:
            await forever()
        finally:
            ended.append(True)

    outcome = await try_it(work, place(), settled=settled)
    assert (outcome.status, outcome.error) == ("cancelled", "No longer needed.")
    assert (ended, place.held, outcome.attempts) == ([True], 0, 1)


async def test_work_that_is_no_longer_needed_before_it_has_a_place_never_begins() -> None:
    place, settled = Place(free=False), asyncio.Event()
    settled.set()
    outcome = await try_it(forever, place(), settled=settled)
    assert (outcome.status, outcome.attempts, outcome.started) == ("cancelled", 0, None)
    assert place.taken == 0


async def test_a_result_that_is_there_counts_though_it_is_no_longer_needed() -> None:
    settled = asyncio.Event()

    async def work() -> str:
        settled.set()
        return "there"

    outcome = await try_it(work, Place()(), settled=settled)
    assert (outcome.status, outcome.output) == ("ok", "there")


async def test_when_the_caller_is_cancelled_the_work_has_ended_before_the_caller() -> None:
    place, began, order = Place(), asyncio.Event(), []

    async def work() -> None:
        began.set()
        try:
            await forever()
        finally:
            await asyncio.sleep(0)
            order.append("work")

    async def caller() -> None:
        try:
            await try_it(work, place())
        finally:
            order.append("caller")

    running = asyncio.create_task(caller())
    await began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (order, place.held) == (["work", "caller"], 0)


async def test_a_signal_of_langgraph_passes_through() -> None:
    place = Place()

    async def work() -> None:
        raise GraphInterrupt

    with pytest.raises(GraphInterrupt):
        await try_it(work, place())
    assert place.held == 0


@pytest.mark.parametrize("settled", [None, asyncio.Event()])
async def test_work_that_cancels_itself_is_an_error(settled: asyncio.Event | None) -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    outcome = await try_it(work, Place()(), settled=settled)
    assert (outcome.status, outcome.error) == ("error", "The call was cancelled from within.")


async def test_nothing_is_left_running() -> None:
    before = asyncio.all_tasks()
    await try_it(forever, Place()(), timeout=0.01, settled=asyncio.Event())
    assert asyncio.all_tasks() == before
