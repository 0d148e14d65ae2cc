"""Guardrail: all that can answer."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from drive import MODEL, STREAMS, Graph, chat_model, events, run, statuses, tokens
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.runtime import Runtime
from pydantic import BaseModel
from stub_server import StubServer

from langgraph_parallel import Guard, create_guardrail
from langgraph_parallel.nodes.guard import REFUSAL

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])


def guards(*trips: bool) -> list[Guard]:
    return [Guard(f"g{i}", run=lambda _, t=trip: t) for i, trip in enumerate(trips)]


class Who(BaseModel):
    name: str


def agent(server: StubServer) -> Graph:
    model = chat_model(server)

    async def chat(state: MessagesState, config: RunnableConfig) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"], config)]}

    graph = StateGraph(MessagesState)
    graph.add_node("chat", chat)
    graph.add_edge(START, "chat")
    return graph.add_edge("chat", END).compile()


def agent_without_a_stream(server: StubServer) -> Graph:
    def chat(state: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage(f"{state['messages'][-1].text} it is")]}

    graph = StateGraph(MessagesState)
    graph.add_node("chat", chat)
    graph.add_edge(START, "chat")
    return graph.add_edge("chat", END).compile()


async def generator(text: str) -> AsyncIterator[str]:
    for piece in (text, " it", " is"):
        yield piece


def sync_generator(text: str) -> Iterator[str]:
    yield from (text, " it", " is")


async def generator_with_config(text: str, config: RunnableConfig) -> AsyncIterator[str]:
    for piece in (text, " it", " is" if "callbacks" in config else "?"):
        yield piece


async def async_function(text: str) -> str:
    return f"{text} it is"


async def async_message(text: str) -> AIMessage:
    return AIMessage(f"{text} it is")


WHOLE = ["yes it is"]
PIECES = ["yes", " it", " is"]
RESPONSES: dict[str, tuple[Any, list[str]]] = {
    "prompt": (lambda _: "Say yes.", PIECES),
    "chat model": (chat_model, PIECES),
    "runnable": (lambda s: ChatPromptTemplate.from_template("{i}") | chat_model(s), PIECES),
    "async function": (lambda _: async_function, WHOLE),
    "async function that gives a message": (lambda _: async_message, WHOLE),
    "function": (lambda _: lambda text: f"{text} it is", WHOLE),
    "async generator": (lambda _: generator, PIECES),
    "async generator with config": (lambda _: generator_with_config, PIECES),
    "generator": (lambda _: sync_generator, PIECES),
    "compiled graph": (agent, PIECES),
    "compiled graph without a stream": (agent_without_a_stream, WHOLE),
    "guardrail": (lambda _: create_guardrail("Say yes.", guards(False), model=MODEL), PIECES),
}


@pytest.mark.parametrize(("make", "pieces"), RESPONSES.values(), ids=RESPONSES)
class TestResponses:
    @pytest.mark.parametrize("mode", STREAMS)
    def test_a_pass_gives_the_answer_and_streams_it_as_it_comes(
        self, server: StubServer, make: Any, pieces: list[str], mode: str
    ) -> None:
        server.on("", "yes it is")
        graph = create_guardrail(make(server), guards(False), model=MODEL)
        seen = events(graph, {"input": "yes"}, mode, ["messages", "values"])
        assert tokens([item for kind, item in seen if kind == "messages"]) == pieces
        assert seen[-1][1]["output"] == "yes it is"

    @BOTH
    def test_a_trip_gives_the_refusal(
        self, server: StubServer, make: Any, pieces: list[str], mode: str
    ) -> None:
        server.on("", "yes it is")
        graph = create_guardrail(make(server), guards(True), model=MODEL)
        state = run(graph, {"input": "yes"}, mode)
        assert (state["output"], statuses(state)["respond"]) == (REFUSAL, "cancelled")


class TestAnswers:
    def test_an_answer_can_be_data(self) -> None:
        graph = create_guardrail(lambda _: {"score": 3}, guards(False))
        assert run(graph, {"input": "x"})["output"] == {"score": 3}

    def test_a_function_that_answers_gets_config_and_runtime_and_its_calls_are_counted(
        self, server: StubServer
    ) -> None:
        server.on("", "yes it is")
        model = chat_model(server)

        async def answer(text: str, config: RunnableConfig, runtime: Runtime[None]) -> str:
            runtime.stream_writer({"this": "is muted"})
            return f"{(await model.ainvoke(text)).text}{config.get('metadata', {})['end']}"

        graph = create_guardrail(answer, guards(False))
        config = RunnableConfig(metadata={"end": "!"})
        seen = events(graph, {"input": "x"}, "astream", ["custom", "values"], config)
        state = seen[-1][1]
        assert state["output"] == "yes it is!"
        assert state["report"]["branches"][-1]["usage"]["calls"] == 1
        assert not [item for kind, item in seen if kind == "custom" and "this" in item]

    def test_a_graph_that_answers_gets_the_context_of_the_run(self) -> None:
        async def chat(state: MessagesState, runtime: Runtime[Who]) -> dict[str, Any]:
            return {"messages": [AIMessage(f"for {runtime.context.name}")]}

        inner = StateGraph(MessagesState, context_schema=Who)
        inner.add_node("chat", chat)
        inner.add_edge(START, "chat")
        graph = create_guardrail(inner.compile(), guards(False), context_schema=Who)
        assert graph.invoke({"input": "x"}, context=Who(name="me"))["output"] == "for me"

    def test_an_answer_that_is_longer_than_what_is_held_waits_and_then_comes_whole(self) -> None:
        written: list[int] = []
        held: list[int] = []

        async def answer(_: str) -> AsyncIterator[str]:
            for number in range(3000):
                written.append(number)
                yield f"{number} "

        async def judge(_: str) -> bool:
            before = -1
            while before != len(written):  # until the writer stands still
                before = len(written)
                for _turn in range(10):
                    await asyncio.sleep(0)
            held.append(before)
            return False

        graph = create_guardrail(answer, [Guard("g", run=judge)])
        state = run(graph, {"input": "x"}, "ainvoke")
        assert state["output"] == "".join(f"{number} " for number in range(3000))
        assert 1000 < held[0] < 1100

    def test_the_bill_of_a_nested_guardrail_is_counted_once(self, server: StubServer) -> None:
        server.on("", "yes it is")
        inner = create_guardrail("Say yes.", guards(False), model=MODEL)
        state = run(create_guardrail(inner, guards(False)), {"input": "x"})
        usage = state["report"]["usage"]
        assert (usage["calls"], usage["output_tokens"], len(server.requests)) == (1, 3, 1)


def test_the_first_token_is_the_first_of_the_try_that_succeeded() -> None:
    tries: list[float] = []

    async def shaky(_: str) -> AsyncIterator[str]:
        tries.append(time.time())
        yield "one "
        if len(tries) == 1:
            raise ConnectionError("cut off")
        await asyncio.sleep(0.5)  # the second token comes that much later
        yield "two"

    graph = create_guardrail(shaky, [Guard("harm", run=lambda _: False)])
    answer = graph.invoke({"input": "x"})["report"]["branches"][1]
    assert len(tries) == answer["attempts"] == 2
    until_first = answer["first_token"] - answer["started"]
    assert until_first >= tries[1] - tries[0] - 0.001
    assert until_first <= answer["seconds"] - 0.4
