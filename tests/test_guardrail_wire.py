"""What a guardrail does on the wire: every order of guard, token and close, in every mode."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from typing import Any

import pytest
from drive import MODEL, Graph, in_background, run, tokens
from guardrail.random_runs import random_runs
from langchain_core.messages import AIMessageChunk
from langgraph.graph import START, StateGraph
from stub_server import Reply, StubServer
from typing_extensions import TypedDict

from langgraph_parallel import Guard, create_guardrail
from langgraph_parallel.nodes import dispatch
from langgraph_parallel.nodes.guard import REFUSAL

MODES = ("invoke", "ainvoke", "stream", "astream", "batch", "abatch")
SECRET = "zebra"
ORDERS = pytest.mark.parametrize("written", [0, 1, 3], ids=["no token", "one token", "all tokens"])


class State(TypedDict, total=False):
    input: str
    output: Any
    report: dict[str, Any]


def bare(graph: Graph) -> Graph:
    return graph


def nested(graph: Graph) -> Graph:
    """Put a graph two levels deep."""
    for name in ("inner", "outer"):
        around = StateGraph(State)
        around.add_node(name, graph)
        around.add_edge(START, name)
        graph = around.compile()
    return graph


def in_guardrails(graph: Graph) -> Graph:
    """Make a graph the answer of another guardrail, and that one of a third."""
    for name in ("inner", "outer"):
        graph = create_guardrail(graph, [Guard(name, run=lambda _: False)])
    return graph


AROUND = pytest.mark.parametrize("around", [bare, nested])


def guarded(server: StubServer, written: int, *, trips: bool, **options: Any) -> Graph:
    """A guardrail whose guard speaks at its gate, and whose answer stops after some tokens."""
    server.on("Judge.", Reply({"tripped": trips, "reason": "r"}, gate="guard"))
    server.on("Answer.", Reply(f"a {SECRET} here", gate="rest", gate_after=written))
    return create_guardrail("Answer.", [Guard("g", "Judge.")], model=MODEL, **options)


def is_written(written: int, runs: int = 1) -> Callable[[StubServer], bool]:
    """Say whether guards and answers of all runs stand where they should."""

    def holds(log: StubServer) -> bool:
        answers = [r for r in log.requests if "Answer." in r.request.text]
        at_gate = [r for r in answers if r.gate == "rest" and r.generated == written]
        return log.waiting("guard") == runs and len(at_gate) == runs

    return holds


def is_idle(log: StubServer) -> bool:
    """Say whether no request is open and no branch at work."""
    return not log.open_requests and not any(live._working for live in dispatch._live.values())


class TestTrip:
    @pytest.mark.parametrize("around", [bare, nested, in_guardrails])
    @ORDERS
    @pytest.mark.parametrize("mode", MODES)
    def test_the_refusal_comes_and_every_request_is_closed(
        self, server: StubServer, mode: str, written: int, around: Callable[[Graph], Graph]
    ) -> None:
        graph = around(guarded(server, written, trips=True))
        runs = 2 if mode in {"batch", "abatch"} else 1
        running = in_background(lambda: run(graph, {"input": "x"}, mode))
        server.wait_until(is_written(written, runs))
        server.open("guard")
        state = running.result(10)
        assert state["output"] == REFUSAL
        assert SECRET not in str(state)
        server.wait_until(lambda log: log.open_requests == 0)
        answers = [r for r in server.requests if "Answer." in r.request.text]
        assert {(r.status, r.generated) for r in answers} == {("client_closed", written)}

    @AROUND
    @ORDERS
    @pytest.mark.parametrize("stream", ["stream", "astream", "astream_events"])
    async def test_no_event_shows_a_token(
        self, server: StubServer, stream: str, written: int, around: Callable[[Graph], Graph]
    ) -> None:
        graph = around(guarded(server, written, trips=True))
        modes: Any = ["values", "updates", "messages", "custom", "tasks", "debug"]

        async def listen() -> list[Any]:
            options: dict[str, Any] = {"stream_mode": modes, "subgraphs": True}
            if stream == "stream":
                return await asyncio.to_thread(
                    lambda: list(graph.stream({"input": "x"}, **options))
                )
            if stream == "astream":
                return [item async for item in graph.astream({"input": "x"}, **options)]
            return [item async for item in graph.astream_events({"input": "x"}, version="v2")]

        listening = asyncio.create_task(listen())
        await server.until(is_written(written))
        server.open("guard")
        seen = await asyncio.wait_for(listening, 10)
        assert SECRET not in str(seen)
        assert REFUSAL in str(seen)

    @pytest.mark.parametrize(
        "reply",
        [
            Reply(status=400, gate="guard"),
            Reply(drop=True, gate="guard"),
            Reply("well, well", gate="guard"),
        ],
        ids=["error", "drop", "nonsense"],
    )
    @pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
    def test_a_guard_that_fails_denies_as_failed_and_the_answer_is_closed(
        self, server: StubServer, reply: Reply, mode: str
    ) -> None:
        server.on("Judge.", reply)
        server.on("Answer.", Reply(f"a {SECRET} here", gate="rest", gate_after=2))
        guards = [Guard("g", "Judge.")]
        graph = create_guardrail("Answer.", guards, model=MODEL, retries=0)
        running = in_background(lambda: run(graph, {"input": "x"}, mode))
        server.wait_until(is_written(2))
        server.open("guard")
        report = running.result(5)["report"]
        assert (report["verdict"], report["guards"][0]["finding"]) == ("failed", "failed")
        server.wait_until(lambda log: log.open_requests == 0)
        answer = next(r for r in server.requests if "Answer." in r.request.text)
        assert answer.status == "client_closed"


class TestPass:
    @AROUND
    @ORDERS
    @pytest.mark.parametrize("mode", MODES)
    def test_the_answer_comes_whole(
        self, server: StubServer, mode: str, written: int, around: Callable[[Graph], Graph]
    ) -> None:
        graph = around(guarded(server, written, trips=False))
        runs = 2 if mode in {"batch", "abatch"} else 1
        running = in_background(lambda: run(graph, {"input": "x"}, mode))
        server.wait_until(is_written(written, runs))
        server.open("guard")
        server.open("rest")
        assert running.result(10)["output"] == f"a {SECRET} here"

    async def test_tokens_of_guards_are_in_no_event(self, server: StubServer) -> None:
        server.on("Judge.", {"tripped": False, "reason": "harmless"})
        server.on("Answer.", "the answer")
        graph = create_guardrail(
            "Answer.",
            [Guard("g", "Judge.")],
            output_guards=[Guard("out", "Judge.")],
            model=MODEL,
        )
        chunks = [
            event["data"].get("chunk", AIMessageChunk(content="")).text
            async for event in graph.astream_events({"input": "x"}, version="v2")
            if event["event"] == "on_chat_model_stream"
        ]
        assert "".join(chunks) == "the answer"


class TestCallerLeaves:
    @pytest.mark.parametrize("stream_mode", ["messages", ["messages", "custom", "values"]])
    def test_a_sync_stream_that_is_closed_closes_its_requests(
        self, server: StubServer, stream_mode: Any
    ) -> None:
        server.on("Answer.", Reply("one two three", gate="rest", gate_after=2))
        graph = create_guardrail("Answer.", [Guard("g", run=lambda _: False)], model=MODEL)
        stream: Iterator[Any] = graph.stream({"input": "x"}, stream_mode=stream_mode)
        with closing(stream):  # type: ignore[type-var]
            for item in stream:
                if "one" in str(item):
                    break
        server.wait_until(is_idle)
        assert [r.status for r in server.requests] == ["client_closed"]

    def test_a_sync_stream_that_is_closed_before_the_verdict_closes_guards_and_answer(
        self, server: StubServer
    ) -> None:
        graph = guarded(server, 1, trips=False)
        stream: Iterator[Any] = graph.stream({"input": "x"}, stream_mode="custom")
        with closing(stream):  # type: ignore[type-var]
            next(stream)
            server.wait_until(is_written(1))
        server.wait_until(is_idle)
        assert {r.status for r in server.requests} == {"client_closed"}

    @AROUND
    @pytest.mark.parametrize("output_guards", [[], [Guard("out", run=lambda _: False)]])
    async def test_an_async_stream_that_is_closed_leaves_no_request_and_no_task(
        self,
        server: StubServer,
        output_guards: list[Guard],
        around: Callable[[Graph], Graph],
    ) -> None:
        server.on("Answer.", Reply("one two three", gate="rest", gate_after=2))
        graph = around(
            create_guardrail(
                "Answer.",
                [Guard("g", run=lambda _: False)],
                output_guards=output_guards,
                output_window=1 if output_guards else None,
                output_lookback=0,
                model=MODEL,
            )
        )
        before = asyncio.all_tasks()
        stream: AsyncIterator[Any] = graph.astream(
            {"input": "x"}, stream_mode="messages", subgraphs=True
        )
        async with aclosing(stream):  # type: ignore[type-var]
            async for _, item in stream:
                if tokens([item]):
                    break
        await server.until(lambda log: log.open_requests == 0)
        for _ in range(20):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == before
        assert [r.status for r in server.requests] == ["client_closed"]


async def test_random_delays_leak_nothing_lose_nothing_and_leave_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):  # which the runs set
        monkeypatch.setenv(name, "")
    monkeypatch.delenv("LANGGRAPH_PARALLEL_MODEL", raising=False)
    found = await random_runs(60)
    assert (found.pop("runs"), found.pop("tripped")) == (60, 30)
    assert {name: number for name, number in found.items() if number} == {}
