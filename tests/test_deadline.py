"""The deadline of a whole graph ends what has not ended by then, and keeps what has."""

import asyncio
from typing import Any

import pytest
from drive import run, statuses
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt
from stub_server import Reply, StubServer

from langgraph_parallel import (
    BranchFailedError,
    Guard,
    Section,
    SetupError,
    Voter,
    create_guardrail,
    create_sectioning,
    create_voting,
    resume,
)
from langgraph_parallel.nodes import dispatch
from langgraph_parallel.nodes.guard import REFUSAL

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
MODEL = "openai:stub-model"


async def hang(_: str) -> str:
    await asyncio.Event().wait()
    return "never"


@BOTH
class TestDeadline:
    def test_what_has_ended_is_kept_and_the_rest_is_a_timeout(
        self, server: StubServer, mode: str
    ) -> None:
        server.on("late", Reply("never", gate="never"))
        server.on("", "fine")
        sections = [Section("a", "Look."), Section("b", "Be late.", required=False)]
        graph = create_sectioning(sections, model=MODEL, aggregate="merge", deadline=2.0)
        state = run(graph, {"input": "x"}, mode)
        assert (state["output"], statuses(state)) == ({"a": "fine"}, {"a": "ok", "b": "timeout"})
        late = state["report"]["branches"][1]
        assert late["error"] == "The graph's deadline of 2 seconds was over."
        server.wait_until(lambda log: log.open_requests == 0)

    def test_it_counts_the_wait_for_a_place_too(self, mode: str) -> None:
        sections = [Section(name, run=hang) for name in "abc"]
        graph = create_sectioning(sections, max_concurrency=1, min_success=0, deadline=1.0)
        state = run(graph, {"input": "x"}, mode)
        assert set(statuses(state).values()) == {"timeout"}
        assert [b["attempts"] for b in state["report"]["branches"]].count(0) == 2

    def test_it_ends_a_graph_inside_and_what_that_waits_for(
        self, server: StubServer, mode: str
    ) -> None:
        server.on("", Reply("never", gate="never"))
        inner = create_voting(Voter("v", "Vote."), model=MODEL)
        graph = create_sectioning([Section("in", run=inner)], min_success=0, deadline=0.3)
        assert statuses(run(graph, {"input": "x"}, mode)) == {"in": "timeout"}
        server.wait_until(lambda log: log.open_requests == 0)

    def test_a_vote_decides_with_the_ballots_that_it_has(self, mode: str) -> None:
        voters = [Voter(name, run=lambda _: "yes") for name in "ab"]
        graph = create_voting(
            [*voters, Voter("c", run=hang)], rounds="all_at_once", stop="fixed_3", deadline=2.0
        )
        state = run(graph, {"input": "x"}, mode)
        assert (state["output"], statuses(state)["c"]) == ("yes", "timeout")

    def test_a_sampled_vote_starts_no_round_after_it(self, server: StubServer, mode: str) -> None:
        server.on(lambda request: request.seen < 2, {"ballot": "yes"})
        server.on("", Reply("never", gate="never"))
        graph = create_voting(Voter("v", "Vote."), options=["yes", "no"], model=MODEL, deadline=2.0)
        state = run(graph, {"input": "x"}, mode)
        assert (state["output"], state["report"]["rounds"]) == ("yes", 1)
        assert len(server.requests) == 3

    def test_a_guard_that_has_not_ended_denies(self, mode: str) -> None:
        graph = create_guardrail(str, [Guard("g", run=hang)], deadline=0.1)
        state = run(graph, {"input": "x"}, mode)
        assert (state["output"], statuses(state)["g"]) == (REFUSAL, "timeout")

    def test_an_aggregate_ends_with_it(self, mode: str) -> None:
        async def endless(_: Any) -> str:
            return await hang("")

        graph = create_sectioning([Section("a", run=str)], aggregate=endless, deadline=1.0)
        with pytest.raises(BranchFailedError, match=r"aggregate failed: The graph's deadline"):
            run(graph, {"input": "x"}, mode)
        assert dispatch._live == {}


def test_the_time_in_which_a_person_is_waited_for_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    graph = create_sectioning(
        [Section("person", run=lambda _: interrupt("?"))],
        aggregate="merge",
        deadline=5.0,
        checkpointer=InMemorySaver(),
    )
    config = RunnableConfig(configurable={"thread_id": "1"})
    resume(graph, {"input": "x"}, config)
    now[0] += 30.0
    assert resume(graph, Command(resume="yes"), config)["output"] == {"person": "yes"}


@pytest.mark.parametrize("deadline", [0, -1.0])
def test_a_deadline_without_time_is_refused(deadline: float) -> None:
    with pytest.raises(SetupError, match="leaves no time"):
        create_sectioning([Section("a", run=str)], deadline=deadline)
