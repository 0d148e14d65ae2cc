"""What holds for every pattern: order by index, nothing stale, nothing left running."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from drive import MODEL, Graph, each, run, statuses
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from stub_server import ChatRequest, Reply, StubServer

from langgraph_parallel import (
    BranchFailedError,
    Guard,
    Section,
    UndecidedError,
    Voter,
    create_guardrail,
    create_sectioning,
    create_voting,
    plurality,
)
from langgraph_parallel.nodes import dispatch, loop

NAMES = ["a", "b", "c", "d"]


def run_backwards(server: StubServer, graph: Graph, mode: str) -> dict[str, Any]:
    """Let the branch of index i finish only when that of index i + 1 has."""

    def follow(event: dict[str, Any]) -> None:
        if event["event"] == "branch_finished" and event["index"] > 0:
            server.open(f"gate {event['index'] - 1}")

    def look(item: Any) -> None:
        kind, event = item
        if kind == "custom":
            finished.append(event)
            follow(event)

    async def listen() -> list[Any]:
        items = []
        async for item in graph.astream({"input": "x"}, stream_mode=kinds):
            look(item)
            items.append(item)
        return items

    finished: list[dict[str, Any]] = []
    kinds: Any = ["custom", "values"]
    server.open(f"gate {len(NAMES) - 1}")
    if mode == "stream":
        items: list[Any] = each(graph.stream({"input": "x"}, stream_mode=kinds), look)
    else:
        items = asyncio.run(listen())
    order = [event["index"] for event in finished if event["event"] == "branch_finished"]
    assert order == [3, 2, 1, 0]
    return dict(items[-1][1])


def gated(answers: dict[str, Any]) -> Callable[[ChatRequest], Reply]:
    def answer(request: ChatRequest) -> Reply:
        name = next(name for name in NAMES if f"You are {name}." in request.text)
        return Reply(answers[name], gate=f"gate {NAMES.index(name)}")

    return answer


@pytest.mark.parametrize("mode", ["stream", "astream"])
class TestOrder:
    def test_sections_come_by_index_whichever_finishes_first(
        self, server: StubServer, mode: str
    ) -> None:
        server.on("", gated({name: name.upper() for name in NAMES}))
        sections = [Section(name, f"You are {name}.") for name in NAMES]
        state = run_backwards(
            server, create_sectioning(sections, model=MODEL, aggregate="merge"), mode
        )
        assert list(state["output"].items()) == list(zip(NAMES, "ABCD", strict=True))
        assert [branch["index"] for branch in state["report"]["branches"]] == [0, 1, 2, 3]

    def test_a_tie_goes_to_the_first_index_whichever_votes_first(
        self, server: StubServer, mode: str
    ) -> None:
        votes = {"a": "yes", "b": "no", "c": "yes", "d": "no"}
        server.on("", gated({name: {"ballot": vote} for name, vote in votes.items()}))
        graph = create_voting(
            [Voter(name, f"You are {name}.") for name in NAMES],
            options=["no", "yes", "neither"],
            rule=plurality(),
            stop="fixed_4",
            model=MODEL,
        )
        state = run_backwards(server, graph, mode)
        assert state["output"] == "yes"
        assert list(state["report"]["counts"]) == ["yes", "no"]
        assert list(statuses(state)) == NAMES

    def test_a_verdict_names_guards_by_index_whichever_trips_first(
        self, server: StubServer, mode: str
    ) -> None:
        server.on("", gated({name: {"tripped": True, "reason": name} for name in NAMES}))
        graph = create_guardrail(
            lambda _: "answer",
            [Guard(name, f"You are {name}.") for name in NAMES],
            verdict="all",
            mode="blocking",
            model=MODEL,
        )
        report = run_backwards(server, graph, mode)["report"]
        assert [report["blocked_by"], report["reasons"]] == [NAMES, NAMES]


def sectioning(server: StubServer) -> Graph:
    sections = [Section("quick", run=str), Section("slow", "Look.")]
    return create_sectioning(sections, model=MODEL)


def voting(server: StubServer) -> Graph:
    return create_voting(Voter("v", "Look."), model=MODEL)


def guardrail(server: StubServer) -> Graph:
    return create_guardrail("Look and answer.", [Guard("g", "Look.")], model=MODEL)


def nested(server: StubServer) -> Graph:
    return create_sectioning([Section("in", run=guardrail(server)), Section("slow", "Look.")])


PATTERNS = {
    "sectioning": (sectioning, 1),
    "voting": (voting, 3),
    "guardrail": (guardrail, 2),
    "nested": (nested, 3),
}


@pytest.mark.parametrize(("make", "calls"), PATTERNS.values(), ids=PATTERNS)
class TestNothingIsLeft:
    async def test_a_cancelled_run_leaves_no_task_no_request_and_no_dispatch(
        self, server: StubServer, make: Callable[[StubServer], Graph], calls: int
    ) -> None:
        server.on("", Reply("never", gate="never"))
        before = asyncio.all_tasks()
        running = asyncio.create_task(make(server).ainvoke({"input": "x"}))
        await server.until(lambda log: log.waiting("never") == calls)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert dispatch._live == {}
        await server.until(lambda log: log.open_requests == 0)
        assert {record.status for record in server.requests} == {"client_closed"}
        assert asyncio.all_tasks() == before

    async def test_a_stream_that_is_left_early_leaves_nothing(
        self, server: StubServer, make: Callable[[StubServer], Graph], calls: int
    ) -> None:
        server.on("", Reply("never", gate="never"))
        before = asyncio.all_tasks()
        stream = make(server).astream({"input": "x"}, stream_mode="custom")
        async with contextlib.aclosing(stream) as items:  # type: ignore[type-var]
            async for _ in items:
                await server.until(lambda log: log.waiting("never") == calls)
                break
        await server.until(lambda log: log.open_requests == 0)
        assert dispatch._live == {}
        assert asyncio.all_tasks() == before

    @pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
    def test_a_failed_run_leaves_nothing(
        self, server: StubServer, make: Callable[[StubServer], Graph], calls: int, mode: str
    ) -> None:
        server.on("", Reply(status=400))
        with contextlib.suppress(BranchFailedError, UndecidedError):
            run(make(server), {"input": "x"}, mode)
        assert dispatch._live == {}
        assert server.open_requests == 0
        running = loop._loop and asyncio.all_tasks(loop._loop)
        assert not running


class TestErrorsLeaveNothing:
    @pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
    @pytest.mark.parametrize("place", ["rule", "stop", "aggregate", "refusal", "verdict"])
    def test_an_error_of_your_own_function_is_raised_and_leaves_nothing(
        self, server: StubServer, place: str, mode: str
    ) -> None:
        def broken(*arguments: Any, **_: Any) -> Any:
            if place == "stop" and not server.requests:
                return arguments[1] > 0  # while the options are checked
            raise LookupError(place)

        server.on("", Reply("fine", gate="gate" if place == "verdict" else None))
        voter, trips = Voter("v", "Vote."), Guard("g", run=lambda _: True)
        graphs: dict[str, Callable[[], Graph]] = {
            "rule": lambda: create_voting(voter, rule=broken, model=MODEL),
            "stop": lambda: create_voting(voter, stop=broken, max_votes=1, model=MODEL),
            "aggregate": lambda: create_sectioning(
                [Section("a", "Look.")], aggregate=broken, model=MODEL
            ),
            "refusal": lambda: create_guardrail(str, [trips], refusal=broken),
            "verdict": lambda: create_guardrail("Answer.", [trips], verdict=broken, model=MODEL),
        }
        with pytest.raises((LookupError, BranchFailedError), match=place):
            run(graphs[place](), {"input": "x"}, mode)
        assert dispatch._live == {}


class TestNothingIsStale:
    @pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
    def test_a_second_turn_on_a_thread_starts_clean(self, server: StubServer, mode: str) -> None:
        server.on("", lambda request: request.messages[-1]["content"])

        def words(text: str) -> list[Section]:
            return [Section(f"w{i}", "Say.", input=w) for i, w in enumerate(text.split())]

        graph = create_sectioning(
            words, model=MODEL, aggregate="merge", checkpointer=InMemorySaver()
        )
        config = RunnableConfig(configurable={"thread_id": "1"})
        for text in ("one two three", "four", "", "five six"):
            state = run(graph, {"input": text}, mode, config)
            assert list(state["output"].values()) == text.split()
            assert len(state["report"]["branches"]) == len(text.split())

    def test_a_second_vote_on_a_thread_counts_only_its_own_ballots(
        self, server: StubServer
    ) -> None:
        server.on("", lambda request: {"ballot": request.messages[-1]["content"]})
        graph = create_voting(
            Voter("v", "Vote."), options=["a", "b"], model=MODEL, checkpointer=InMemorySaver()
        )
        config = RunnableConfig(configurable={"thread_id": "1"})
        for vote in ("a", "b", "a"):
            report = run(graph, {"input": vote}, "invoke", config)["report"]
            assert (report["counts"], report["rounds"]) == ({vote: 3}, 1)

    def test_a_long_run_keeps_what_its_branches_share(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dispatch, "_UNUSED_SECONDS", -1.0)  # everything unused is too old
        calls = []

        def made(text: str) -> list[Section]:
            calls.append(text)
            return [Section("a", run=other_run), Section("b", run=str)]

        def other_run(_: str) -> None:
            create_sectioning([Section("c", run=str)]).invoke({"input": ""})

        run(create_sectioning(made), {"input": "x"})
        assert calls == ["x"]

    def test_what_an_abandoned_run_left_is_forgotten_with_the_next_run(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        abandoned = dispatch.new_dispatch(None)
        run(create_sectioning([Section("a", run=str)]), {"input": ""})
        assert dispatch.find_live(abandoned)
        monkeypatch.setattr(dispatch, "_UNUSED_SECONDS", -1.0)
        run(create_sectioning([Section("a", run=str)]), {"input": ""})
        assert dispatch.find_live(abandoned) is None
