"""Calls in flight are bounded, and nothing else holds branches up."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from drive import MODEL, Graph, in_background, run, statuses
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime
from stub_server import Reply, StubServer

from langgraph_parallel import (
    Guard,
    Section,
    Voter,
    create_guardrail,
    create_sectioning,
    create_voting,
)
from langgraph_parallel.nodes.dispatch import close_dispatch
from langgraph_parallel.nodes.guardrail import GuardrailNodes
from langgraph_parallel.nodes.guardrail_spec import GuardrailSpec
from langgraph_parallel.nodes.keys import DISPATCH, RESULTS, Keys
from langgraph_parallel.nodes.limits import DEFAULT_MAX_CONCURRENCY, Limiter

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])


def sections(number: int) -> list[Section]:
    return [Section(f"s{i}", "Look.") for i in range(number)]


def sectioning(number: int, **options: Any) -> Graph:
    return create_sectioning(sections(number), model=MODEL, **options)


def dynamic(number: int, **options: Any) -> Graph:
    return create_sectioning(lambda _: sections(number), model=MODEL, **options)


def voting(number: int, **options: Any) -> Graph:
    voter = Voter("v", "Vote.")
    return create_voting(voter, model=MODEL, stop=f"fixed_{number}", max_votes=number, **options)


def guardrail(number: int, **options: Any) -> Graph:
    guards = [Guard(f"g{i}", "Look.") for i in range(number - 1)]
    return create_guardrail(lambda _: "answer", guards, model=MODEL, **options)


@pytest.fixture
def threads_in_any_order() -> Iterator[None]:
    """Make threads take turns so often that the branches of a sync run start in any order."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


PATTERNS = {
    "sectioning": sectioning,
    "dynamic": dynamic,
    "voting": voting,
    "guardrail": guardrail,
}


@pytest.mark.parametrize("make", PATTERNS.values(), ids=PATTERNS)
class TestBound:
    @BOTH
    def test_no_more_calls_than_max_concurrency_are_in_flight(
        self, server: StubServer, make: Callable[..., Graph], mode: str
    ) -> None:
        server.on("", Reply({"tripped": False, "reason": ""}, gate="gate"))
        graph = make(9, max_concurrency=3)
        running = in_background(lambda: run(graph, {"input": "x"}, mode))
        server.wait_until(lambda log: log.waiting("gate") == 3)
        server.open("gate")
        assert len(running.result(10)["report"]["branches"]) == 9
        assert server.max_open == 3

    @BOTH
    def test_langgraphs_own_max_concurrency_bounds_a_run_further(
        self, server: StubServer, make: Callable[..., Graph], mode: str
    ) -> None:
        server.on("", Reply({"tripped": False, "reason": ""}, gate="gate"))
        graph, config = make(7), RunnableConfig(max_concurrency=2)
        running = in_background(lambda: run(graph, {"input": "x"}, mode, config))
        server.wait_until(lambda log: log.waiting("gate") == 2)
        server.open("gate")
        assert len(running.result(10)["report"]["branches"]) == 7
        assert server.max_open == 2

    @BOTH
    def test_by_default_sixteen_calls_are_in_flight(
        self, server: StubServer, make: Callable[..., Graph], mode: str
    ) -> None:
        server.on("", Reply({"tripped": False, "reason": ""}, gate="gate"))
        graph = make(20)
        running = in_background(lambda: run(graph, {"input": "x"}, mode))
        server.wait_until(lambda log: log.waiting("gate") == DEFAULT_MAX_CONCURRENCY)
        server.open("gate")
        running.result(10)
        assert server.max_open == DEFAULT_MAX_CONCURRENCY == 16

    @BOTH
    def test_a_higher_bound_lets_more_calls_run_than_the_machine_has_threads_for(
        self, server: StubServer, make: Callable[..., Graph], mode: str
    ) -> None:
        server.on("", Reply({"tripped": False, "reason": ""}, gate="gate"))
        graph = make(60, max_concurrency=100)
        running = in_background(lambda: run(graph, {"input": "x"}, mode))
        all_but_the_answer = 59 if make is guardrail else 60
        server.wait_until(lambda log: log.waiting("gate") == all_but_the_answer)
        server.open("gate")
        assert len(running.result(10)["report"]["branches"]) == 60


@BOTH
def test_langgraphs_own_bound_holds_for_sections_that_share_a_send(
    server: StubServer, mode: str
) -> None:
    server.on("", Reply("fine", gate="gate"))
    graph, config = dynamic(130), RunnableConfig(max_concurrency=2)  # three in one Send
    running = in_background(lambda: run(graph, {"input": "x"}, mode, config))
    server.wait_until(lambda log: log.waiting("gate") == 2)
    server.open("gate")
    assert len(running.result(20)["report"]["branches"]) == 130
    assert server.max_open == 2


class TestSharing:
    async def test_an_answer_never_takes_the_place_that_a_guard_needs(self) -> None:
        spec = GuardrailSpec(str.upper, [Guard(name, run=lambda _: False) for name in "ab"])
        nodes = GuardrailNodes(spec, Keys(), Limiter(1), None, None)
        config: RunnableConfig = {}
        runtime: Runtime[Any] = Runtime()
        state = {"input": "x", **await nodes.fan_out({"input": "x"}, config, runtime)}
        *guards, answer = await nodes.route(state, config, runtime)
        answering = asyncio.create_task(nodes.respond(answer.arg, config, runtime))
        for _ in range(20):  # the answer comes first, as it may in threads
            await asyncio.sleep(0)
        judging = [nodes.guard(guard.arg, config, runtime) for guard in guards]
        await asyncio.wait_for(asyncio.gather(*judging), 5)
        (result,) = (await asyncio.wait_for(answering, 5))[RESULTS]
        assert result["output"] == "X"
        close_dispatch(state[DISPATCH])

    def test_all_runs_of_a_graph_share_the_bound(self, server: StubServer) -> None:
        server.on("", Reply("fine", gate="gate"))
        graph = sectioning(4, max_concurrency=3)
        running = in_background(lambda: graph.batch([{"input": "x"}, {"input": "y"}]))
        server.wait_until(lambda log: log.waiting("gate") == 3)
        server.open("gate")
        assert len(running.result(10)) == 2
        assert (server.max_open, len(server.requests)) == (3, 8)

    def test_a_branch_that_waits_for_a_place_spends_none_of_its_time(self) -> None:
        async def main() -> dict[str, str]:
            loop = asyncio.get_running_loop()
            done = asyncio.Event()

            async def first(_: str) -> None:
                loop.call_later(1.1, done.set)  # longer than the second one may take
                await done.wait()

            async def second(_: str) -> bool:
                return done.is_set()

            graph = create_sectioning(
                [Section("first", run=first), Section("second", run=second, timeout=1.0)],
                max_concurrency=1,
            )
            return statuses(await graph.ainvoke({"input": ""}))

        assert asyncio.run(main()) == {"first": "ok", "second": "ok"}

    @pytest.mark.parametrize("guards_first", [False, True])
    @BOTH
    @pytest.mark.usefixtures("threads_in_any_order")
    def test_one_place_is_enough_for_a_guardrail(self, mode: str, guards_first: bool) -> None:
        graph = create_guardrail(
            lambda _: "answer",
            [Guard(f"g{i}", run=lambda _: False) for i in range(3)],
            max_concurrency=1,
            mode="blocking" if guards_first else "parallel",
        )
        for _ in range(10):
            state = in_background(lambda: run(graph, {"input": "x"}, mode)).result(5)
            assert state["output"] == "answer"
