"""No token of the answer leaves before the verdict, whichever way one looks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import pytest
from drive import MODEL, Graph, chat_model, in_background, tokens
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import StreamMode
from stub_server import Reply, StubServer

from langgraph_parallel import Guard, create_guardrail
from langgraph_parallel.nodes.guard import REFUSAL

STREAM_MODES: list[StreamMode] = [
    "values",
    "updates",
    "messages",
    "custom",
    "tasks",
    "debug",
    "checkpoints",
]
SECRET = "secret"


def agent(server: StubServer) -> Graph:
    model = chat_model(server)

    async def chat(state: MessagesState, config: RunnableConfig) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"], config)]}

    graph = StateGraph(MessagesState)
    graph.add_node("chat", chat)
    graph.add_edge(START, "chat")
    return graph.add_edge("chat", END).compile()


def function(server: StubServer) -> Any:
    async def answer(text: str) -> str:  # makes its call without the config
        return (await chat_model(server).ainvoke(text)).text

    return answer


def generator(server: StubServer) -> Any:
    async def answer(text: str) -> AsyncIterator[str]:
        async for chunk in chat_model(server).astream(text):
            yield chunk.text

    return answer


RESPONSES: dict[str, Callable[[StubServer], Any]] = {
    "prompt": lambda _: "Answer it.",
    "chat model": chat_model,
    "agent": agent,
    "function": function,
    "generator": generator,
    "guardrail": lambda _: create_guardrail(
        "Answer it.", [Guard("inner", run=lambda _: False)], model=MODEL
    ),
}


def guarded(server: StubServer, kind: str = "prompt", *, trips: bool) -> Graph:
    server.on("Judge it.", Reply({"tripped": trips, "reason": "r"}, gate="guard"))
    server.on("", Reply(f"{SECRET} words of {SECRET} answers", gate="end", gate_after=3))
    return create_guardrail(RESPONSES[kind](server), [Guard("g", "Judge it.")], model=MODEL)


def shows(events: list[Any]) -> list[Any]:
    return [event for event in events if SECRET in str(event)]


async def open_when_answered(server: StubServer) -> None:
    """Open the guard's gate when three tokens of the answer have been generated."""
    await server.until(lambda log: log.waiting("guard") == 1 and log.waiting("end") == 1)
    assert sum(record.generated for record in server.requests) >= 3
    await asyncio.sleep(0)
    server.open("guard")


async def events_v3(graph: Graph) -> AsyncIterator[Any]:
    events: Any = graph.astream_events({"input": "x"}, version="v3")
    async for event in await events:
        yield event


STREAMS: dict[str, Callable[[Graph], AsyncIterator[Any]]] = {
    "astream": lambda graph: graph.astream(
        {"input": "x"}, stream_mode=STREAM_MODES, subgraphs=True, print_mode=()
    ),
    "astream_events v2": lambda graph: graph.astream_events({"input": "x"}, version="v2"),
    "astream_events v1": lambda graph: graph.astream_events({"input": "x"}, version="v1"),
    "astream_events v3": events_v3,
    "astream_log": lambda graph: graph.astream_log({"input": "x"}),
}


@pytest.mark.filterwarnings("ignore:astream_:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Pydantic serializer:UserWarning")
@pytest.mark.filterwarnings("ignore:The v3 streaming protocol")
class TestBlocked:
    @pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
    @pytest.mark.parametrize("kind", RESPONSES)
    async def test_nothing_of_a_blocked_answer_is_in_any_event(
        self, server: StubServer, kind: str, stream: Callable[[Graph], AsyncIterator[Any]]
    ) -> None:
        opening = asyncio.create_task(open_when_answered(server))
        seen = [event async for event in stream(guarded(server, kind, trips=True))]
        await opening
        assert shows(seen) == []
        assert [event for event in seen if REFUSAL in str(event)]

    @pytest.mark.parametrize("kind", RESPONSES)
    async def test_nothing_of_a_blocked_answer_is_in_any_sync_event(
        self, server: StubServer, kind: str
    ) -> None:
        graph = guarded(server, kind, trips=True)
        running = in_background(
            lambda: list(graph.stream({"input": "x"}, stream_mode=STREAM_MODES, subgraphs=True))
        )
        await open_when_answered(server)
        seen = await asyncio.wrap_future(running)
        assert shows(seen) == []
        assert [event for event in seen if REFUSAL in str(event)]

    @pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
    @pytest.mark.parametrize("kind", RESPONSES)
    async def test_a_trip_closes_the_request_of_the_answer_at_once(
        self, server: StubServer, kind: str, mode: str
    ) -> None:
        graph = guarded(server, kind, trips=True)
        opening = asyncio.create_task(open_when_answered(server))
        if mode == "ainvoke":
            state = await graph.ainvoke({"input": "x"})
        else:
            state = await asyncio.to_thread(graph.invoke, {"input": "x"})
        await opening
        await server.until(lambda log: log.open_requests == 0)
        (answer,) = [r for r in server.requests if "Judge it." not in r.request.text]
        assert (answer.status, answer.generated) == ("client_closed", 3)
        assert SECRET not in str(state)
        respond = state["report"]["branches"][-1]
        assert (respond["status"], respond["usage"]["partial"]) == ("cancelled", True)
        assert state["report"]["usage"]["cancelled"]["calls"] == 1


class TestPassed:
    @pytest.mark.parametrize("kind", RESPONSES)
    async def test_no_event_shows_the_answer_before_the_guard_has_finished(
        self, server: StubServer, kind: str
    ) -> None:
        server.open("end")
        opening = asyncio.create_task(
            server.until(lambda log: log.waiting("guard") == 1 and log.count("") == 2)
        )
        opening.add_done_callback(lambda _: server.open("guard"))
        graph = guarded(server, kind, trips=False)
        modes: Any = ["messages", "custom", "updates", "values", "tasks"]
        seen = [item async for item in graph.astream({"input": "x"}, stream_mode=modes)]
        verdict = next(
            at
            for at, (_, item) in enumerate(seen)
            if isinstance(item, dict)
            and (item.get("event"), item.get("branch")) == ("branch_finished", "g")
        )
        assert shows(seen[:verdict]) == []
        assert shows(seen[verdict:])

    @pytest.mark.parametrize("kind", ["prompt", "chat model", "agent", "generator", "guardrail"])
    @pytest.mark.parametrize("mode", ["stream", "astream"])
    async def test_after_the_verdict_tokens_leave_while_the_rest_is_still_written(
        self, server: StubServer, kind: str, mode: str
    ) -> None:
        graph = guarded(server, kind, trips=False)
        opening = asyncio.create_task(open_when_answered(server))
        seen: list[Any] = []

        def look(item: Any) -> None:
            seen.append(item)
            if len(tokens(seen)) == 3:  # the fourth waits at the server
                server.open("end")

        def listen() -> None:
            for item in graph.stream({"input": "x"}, stream_mode="messages"):
                look(item)

        if mode == "stream":
            await asyncio.wait_for(asyncio.to_thread(listen), 10)
        else:
            async for item in graph.astream({"input": "x"}, stream_mode="messages"):
                look(item)
        await opening
        assert tokens(seen) == [SECRET, " words", " of", f" {SECRET}", " answers"]

    async def test_a_verdict_before_the_first_token_holds_nothing_up(
        self, server: StubServer
    ) -> None:
        server.on("", Reply("a b", gate="end", gate_after=1))
        graph = create_guardrail("Answer.", [Guard("g", run=lambda _: False)], model=MODEL)
        seen: list[Any] = []
        async for item in graph.astream({"input": "x"}, stream_mode="messages"):
            seen.append(item)
            server.open("end")
        assert tokens(seen) == ["a", " b"]


class Listener(BaseCallbackHandler):
    """A user's own handler, as one that feeds a web socket."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_llm_new_token(self, token: Any, *, run_id: UUID, **_: Any) -> None:
        self.heard.append(str(token))


class TestCallbacks:
    @pytest.mark.parametrize(("trips", "heard"), [(True, ""), (False, "a secret")])
    @pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
    async def test_a_callback_handler_hears_the_answer_only_after_a_pass(
        self, server: StubServer, trips: bool, heard: str, mode: str
    ) -> None:
        def judge(_: str) -> bool:
            server.wait_until(lambda log: sum(record.generated for record in log.requests) == 2)
            before.extend(listener.heard)
            return trips

        before: list[str] = []
        listener = Listener()
        server.on("Answer.", "a secret")
        graph = create_guardrail("Answer.", [Guard("g", run=judge)], model=MODEL)
        config = RunnableConfig(callbacks=[listener])
        if mode == "ainvoke":
            await graph.ainvoke({"input": "x"}, config)
        else:
            await asyncio.to_thread(graph.invoke, {"input": "x"}, config)
        assert (before, "".join(listener.heard)) == ([], heard)
