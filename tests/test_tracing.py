"""What tracers such as LangSmith's see: each call in its place, and each one ended."""

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

import pytest
from drive import run
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.tracers import BaseTracer
from langchain_core.tracers.schemas import Run
from langgraph.graph import MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from stub_server import Reply, StubServer
from text_model import TextModel

from langgraph_parallel import (
    Guard,
    Section,
    Voter,
    create_guardrail,
    create_sectioning,
    create_voting,
)
from langgraph_parallel.nodes.models import get_model

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
MODEL = "openai:stub-model"
HANGS = Reply("never", gate="never")
HELD = 4


class Tracer(BaseTracer):
    """Keeps all runs, and which of them have not ended."""

    def __init__(self) -> None:
        super().__init__()
        self.roots: list[Run] = []
        self.begun: list[Run] = []

    def _persist_run(self, run: Run) -> None:
        self.roots.append(run)

    def _on_run_create(self, run: Run) -> None:
        self.begun.append(run)

    def calls(self) -> dict[str, str | None]:
        """Give the node of each model call, and how it failed."""
        by_id = {run.id: run for run in self.begun}
        return {self._node_of(run, by_id): run.error for run in self.begun if run.run_type == "llm"}

    def _node_of(self, run: Run, by_id: Mapping[UUID, Run]) -> str:
        while not any(tag.startswith("graph:step") for tag in run.tags or []):
            assert run.parent_run_id is not None, f"{run.name} is in no node"
            run = by_id[run.parent_run_id]
        return run.name

    def check(self) -> None:
        """Check that it is one trace, in which everything has ended."""
        assert len(self.roots) == 1
        assert [run.name for run in self.begun if run.end_time is None] == []


class Matching(BaseCallbackHandler):
    """Keeps the ends of calls of which it has not heard the beginning."""

    def __init__(self) -> None:
        self.begun: set[UUID] = set()
        self.unknown: list[UUID] = []

    def on_chat_model_start(self, *_: Any, run_id: UUID, **__: Any) -> None:
        self.begun.add(run_id)

    def on_llm_error(self, *_: Any, run_id: UUID, **__: Any) -> None:
        if run_id not in self.begun:
            self.unknown.append(run_id)


def traced(
    graph: CompiledStateGraph[Any, Any, Any, Any], mode: str
) -> tuple[dict[str, Any], Tracer]:
    tracer = Tracer()
    state = run(graph, {"input": "x"}, mode, {"callbacks": [tracer]})
    tracer.check()
    return state, tracer


@BOTH
@pytest.mark.parametrize("tripped", [False, True])
def test_a_guarded_answer_is_a_call_of_its_node(
    server: StubServer, mode: str, tripped: bool
) -> None:
    server.on("Guard.", {"tripped": tripped, "reason": "so"})
    server.on("", HANGS if tripped else "fine")
    graph = create_guardrail("Answer.", [Guard("g", "Guard.")], model=MODEL)
    _, tracer = traced(graph, mode)
    calls = tracer.calls()
    assert set(calls) == {"g", "respond"}
    assert calls["g"] is None
    assert (calls["respond"] is not None) == tripped


@BOTH
def test_an_agent_that_is_cut_off_has_ended(server: StubServer, mode: str) -> None:
    async def think(state: MessagesState) -> dict[str, Any]:
        model = await get_model(MODEL)
        assert isinstance(model, BaseChatModel)
        return {"messages": [await model.ainvoke(state["messages"])]}

    server.on("Guard.", {"tripped": True, "reason": "so"})
    server.on("", HANGS)
    agent = StateGraph(MessagesState).add_node(think).set_entry_point("think").compile()
    graph = create_guardrail(agent, [Guard("g", "Guard.")], model=MODEL)
    tracer, handler = Tracer(), Matching()
    run(graph, {"input": "x"}, mode, {"callbacks": [tracer, handler]})
    tracer.check()
    assert set(tracer.calls()) <= {"g", "think"}
    assert handler.unknown == []


@BOTH
def test_votes_that_no_longer_matter_have_ended(server: StubServer, mode: str) -> None:
    server.on("Hang.", HANGS)
    server.on("", {"ballot": "yes"})
    voters = [Voter("a", "Vote."), Voter("b", "Vote."), Voter("c", "Hang.")]
    graph = create_voting(voters, options=["yes", "no"], rounds="all_at_once", model=MODEL)
    state, tracer = traced(graph, mode)
    assert state["report"]["branches"][2]["status"] == "cancelled"
    assert state["report"]["branches"][2]["usage"]["calls"] == 1
    calls = tracer.calls()
    assert (calls["a"], calls["b"]) == (None, None)
    assert "cancelled" in str(calls["c"])


@BOTH
def test_a_section_that_takes_too_long_has_ended(server: StubServer, mode: str) -> None:
    server.on("", HANGS)
    section = Section("slow", "Look.", timeout=2.0, required=False)
    state, tracer = traced(create_sectioning([section], model=MODEL), mode)
    assert state["report"]["branches"][0]["usage"]["partial"]
    assert "cancelled" in str(tracer.calls()["slow"])


async def test_a_run_that_is_cancelled_has_ended(server: StubServer) -> None:
    server.on("", HANGS)
    tracer = Tracer()
    graph = create_sectioning([Section("one", "Look.")], model=MODEL)
    task = asyncio.ensure_future(graph.ainvoke({"input": "x"}, {"callbacks": [tracer]}))
    await server.until(lambda log: log.waiting("never") == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    tracer.check()


@BOTH
def test_other_handlers_get_an_answer_once_and_not_before_the_verdict(
    server: StubServer, mode: str
) -> None:
    class Handler(BaseCallbackHandler):
        def __init__(self) -> None:
            self.heard: list[str] = []

        def on_chat_model_start(self, *_: Any, **__: Any) -> None:
            self.heard.append("begun")

        def on_llm_new_token(self, token: Any, **_: Any) -> None:
            if token:
                self.heard.append(token)

    handler = Handler()

    async def guard(_: str) -> bool:
        await server.until(lambda log: any(r.status == "done" for r in log.requests))
        handler.heard.append("passed")
        return False

    server.on("", "fine words")
    graph = create_guardrail("Answer.", [Guard("g", run=guard)], model=MODEL)
    run(graph, {"input": "x"}, mode, {"callbacks": [handler]})
    assert handler.heard[:2] == ["begun", "passed"]
    assert "".join(handler.heard[2:]) == "fine words"


class Talker(TextModel):
    """Streams words, and says when so many were taken that no more are held."""

    held: Any

    async def _astream(self, *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        for number in range(50):
            if number == HELD:
                self.held.set()
            yield ChatGenerationChunk(message=AIMessageChunk(content="word "))


@BOTH
def test_an_answer_that_waits_to_be_read_ends_once(
    caplog: pytest.LogCaptureFixture, mode: str
) -> None:
    held = threading.Event()

    async def guard(_: str) -> bool:
        return await asyncio.to_thread(held.wait, 30)

    talker = Talker(replies={}, held=held)
    graph = create_guardrail(talker, [Guard("g", run=guard)], max_held=HELD)
    _, tracer = traced(graph, mode)
    assert set(tracer.calls()) == {"respond"}
    assert [record.getMessage() for record in caplog.records] == []
