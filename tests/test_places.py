"""One bound holds for a whole tree of nested patterns, and nesting cannot dead-lock."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from drive import MODEL, Graph, in_background, run
from langchain_core.runnables import RunnableConfig
from stub_server import Reply, StubServer

from langgraph_parallel import (
    Guard,
    Section,
    Voter,
    create_guardrail,
    create_sectioning,
    create_voting,
)
from langgraph_parallel.nodes.guardrail_spec import MAX_HELD
from langgraph_parallel.nodes.places import Bound

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])


async def wait_for_turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class TestPlaces:
    async def test_the_deepest_gets_a_place_first_then_the_first_to_come(self) -> None:
        bound, order = Bound(1), []

        async def take(name: str, depth: int) -> None:
            await bound.acquire(depth)
            order.append(name)
            bound.release()

        await bound.acquire(0)
        waits = [("a", 0), ("b", 1), ("c", 0), ("d", 2), ("e", 1)]
        running = [asyncio.create_task(take(*wait)) for wait in waits]
        await wait_for_turns()
        assert order == []
        bound.release()
        await asyncio.gather(*running)
        assert "".join(order) == "dbeac"

    async def test_who_gives_up_takes_no_place_along(self) -> None:
        bound = Bound(1)
        await bound.acquire(0)
        waiting, served = (asyncio.create_task(bound.acquire(0)) for _ in range(2))
        await wait_for_turns()
        waiting.cancel()
        await wait_for_turns()
        bound.release()
        await asyncio.wait_for(served, 5)
        unlucky = asyncio.create_task(bound.acquire(0))
        await wait_for_turns()
        bound.release()  # served, and cancelled before it knows
        unlucky.cancel()
        await asyncio.gather(unlucky, return_exceptions=True)
        await asyncio.wait_for(bound.acquire(0), 5)

    def test_a_place_passes_from_loop_to_loop_and_by_a_closed_one(self) -> None:
        bound = Bound(1)

        async def wait_in_vain() -> None:
            bound_to_wait = asyncio.ensure_future(bound.acquire(0))
            await wait_for_turns()
            lost.append(bound_to_wait)

        async def take() -> str:
            waiting.set()
            await bound.acquire(0)
            return "taken"

        lost: list[Any] = []
        waiting = threading.Event()
        asyncio.run(bound.acquire(0))
        closed = asyncio.new_event_loop()
        closed.run_until_complete(wait_in_vain())
        closed.close()
        other = in_background(lambda: asyncio.run(take()))
        assert waiting.wait(5)
        assert not other.done()
        bound.release()
        assert other.result(5) == "taken"
        lost[0]._log_destroy_pending = False


def votes(number: int, **options: Any) -> Graph:
    voter = Voter("v", "Vote.")
    stop = f"fixed_{number}"
    return create_voting(voter, model=MODEL, stop=stop, max_votes=number, **options)


def sections(run: Any, number: int) -> list[Section]:
    return [Section(f"s{i}", run=run) for i in range(number)]


class TestTree:
    @BOTH
    @pytest.mark.parametrize("depth", [1, 2])
    def test_the_outermost_bound_holds_for_all_calls_of_the_tree(
        self, server: StubServer, mode: str, depth: int
    ) -> None:
        server.on("", Reply("fine", gate="gate"))
        graph = votes(3)
        for level in range(depth):
            bound = 2 if level == depth - 1 else 16
            graph = create_sectioning(sections(graph, 3), max_concurrency=bound)
        running = in_background(lambda: run(graph, {"input": "x"}, mode))
        server.wait_until(lambda log: log.waiting("gate") == 2)
        server.open("gate")
        running.result(20)
        assert (server.max_open, len(server.requests)) == (2, 3 * 3**depth)

    @BOTH
    def test_an_inner_bound_holds_too(self, server: StubServer, mode: str) -> None:
        server.on("", Reply("fine", gate="gate"))
        graph = create_sectioning(sections(votes(3, max_concurrency=2), 3))
        running = in_background(lambda: run(graph, {"input": "x"}, mode))
        server.wait_until(lambda log: log.waiting("gate") == 2)
        server.open("gate")
        running.result(20)
        assert (server.max_open, len(server.requests)) == (2, 9)

    @BOTH
    def test_langgraphs_own_bound_holds_for_the_tree(self, server: StubServer, mode: str) -> None:
        server.on("", Reply("fine", gate="gate"))
        graph = create_sectioning(sections(votes(3), 3))
        config = RunnableConfig(max_concurrency=2)
        running = in_background(lambda: run(graph, {"input": "x"}, mode, config))
        server.wait_until(lambda log: log.waiting("gate") == 2)
        server.open("gate")
        running.result(20)
        assert (server.max_open, len(server.requests)) == (2, 9)

    @BOTH
    @pytest.mark.parametrize("is_async", [True, False])
    def test_it_holds_for_graphs_that_functions_call_and_for_what_they_call_after(
        self, server: StubServer, mode: str, is_async: bool
    ) -> None:
        inner = votes(4, rounds="all_at_once")
        after = create_sectioning([Section("after", "Look.")], model=MODEL)

        def call(text: str) -> Any:
            inner.invoke({"input": text})
            return after.invoke({"input": text})["output"]

        async def acall(text: str) -> Any:
            await inner.ainvoke({"input": text})
            return (await after.ainvoke({"input": text}))["output"]

        server.on("", Reply("fine", gate="gate"))
        function: Callable[[str], Any] = acall if is_async else call
        graph = create_sectioning(sections(function, 4), max_concurrency=2)
        running = in_background(lambda: run(graph, {"input": "x"}, mode))
        server.wait_until(lambda log: log.waiting("gate") == 2)
        server.open("gate")
        running.result(20)
        assert (server.max_open, len(server.requests)) == (2, 4 * 5)

    @BOTH
    def test_what_a_branch_does_itself_after_a_graph_waits_for_its_place(self, mode: str) -> None:
        working: list[str] = []
        most: list[int] = []

        async def work(text: str) -> str:
            working.append(text)
            most.append(len(working))
            try:
                await asyncio.sleep(0.002)
            finally:
                working.remove(text)
            return text

        inner = create_voting(Voter("v", run=work), rounds="all_at_once", max_votes=9)

        async def call(text: str) -> str:
            await inner.ainvoke({"input": text})
            return await work(text)

        graph = create_sectioning(sections(call, 6), max_concurrency=2)
        run(graph, {"input": "x"}, mode)
        assert max(most) == 2

    @BOTH
    @pytest.mark.parametrize("options", [{}, {"stop": "fixed_7", "rounds": "doubling"}])
    def test_one_place_is_enough_for_any_tree(self, mode: str, options: dict[str, Any]) -> None:
        vote = create_voting(
            Voter("v", run=lambda _: "a"), max_votes=7, max_concurrency=1, **options
        )
        guarded = create_guardrail(
            str, [Guard("g", run=vote, trip_on="b")], max_concurrency=1, timeout=5
        )
        inner = create_sectioning([*sections(guarded, 3), Section("v", run=vote)])
        graph = create_sectioning(sections(inner, 3), max_concurrency=1)
        state = in_background(lambda: run(graph, {"input": "x"}, mode)).result(20)
        assert "## s2\nx" in state["output"]

    @BOTH
    @pytest.mark.parametrize("pieces", [1, MAX_HELD + 10])
    def test_an_answer_keeps_no_place_from_a_guard_that_needs_several_rounds(
        self, mode: str, pieces: int
    ) -> None:
        ballots = iter("ababaaaaaa")
        vote = create_voting(Voter("v", run=lambda _: next(ballots)), stop="ahead_by_2")

        async def answer(_: str) -> AsyncIterator[str]:
            for piece in "x" * pieces:
                yield piece

        graph = create_guardrail(
            answer, [Guard("g", run=vote, trip_on="b", timeout=30)], max_concurrency=1
        )
        state = in_background(lambda: run(graph, {"input": "x"}, mode)).result(20)
        assert state["output"] == "x" * pieces
