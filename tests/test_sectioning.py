"""Sectioning: each section does its own work, and the aggregate makes one answer of it."""

import threading
from dataclasses import dataclass
from typing import Any

import pytest
from drive import MODEL, STREAMS, Graph, Meeting, chat_model, events, run, statuses
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.runtime import Runtime
from pydantic import BaseModel
from stub_server import StubServer
from typing_extensions import TypedDict

from langgraph_parallel import (
    BranchFailedError,
    Section,
    create_sectioning,
    join,
)


class Score(BaseModel):
    score: int
    reason: str


@dataclass
class Place:
    place: str


class Word(TypedDict):
    word: str


class TestSections:
    def test_each_section_is_asked_its_own_prompt_about_the_input(self, server: StubServer) -> None:
        server.on("holes", "no holes")
        server.on("taste", "bad taste")
        graph = create_sectioning(
            [Section("security", "Find holes."), Section("style", "Judge the taste of {input}!")],
            model=MODEL,
        )
        output = run(graph, {"input": "x = 1"})["output"]
        assert output == "## security\nno holes\n\n## style\nbad taste"
        assert {record.request.text for record in server.requests} == {
            "Find holes.\nx = 1",
            "Judge the taste of x = 1!",
        }

    def test_a_section_with_its_own_input_sees_only_that(self, server: StubServer) -> None:
        server.on("", lambda request: request.messages[-1]["content"].upper())
        graph = create_sectioning(
            [Section("own", "Repeat.", input="mine"), Section("whole", "Repeat.")],
            model=MODEL,
            aggregate="merge",
        )
        assert run(graph, {"input": "all"})["output"] == {"own": "MINE", "whole": "ALL"}

    def test_a_section_with_its_own_model_asks_that(self, server: StubServer) -> None:
        server.on("", lambda request: request.model)
        graph = create_sectioning(
            [
                Section("pattern's", "Say."),
                Section("named", "Say.", model="openai:other"),
                Section("object", "Say.", model=chat_model(server, "third")),
            ],
            model=MODEL,
            aggregate="merge",
        )
        state = run(graph, {"input": "x"})
        assert list(state["output"].values()) == ["stub-model", "other", "third"]
        models = [branch["model"] for branch in state["report"]["branches"]]
        assert models == ["stub-model", "other", "third"]

    def test_a_schema_gives_plain_data(self, server: StubServer) -> None:
        server.on("Rate", {"score": 4, "reason": "fine"})
        graph = create_sectioning(
            [Section("tone", "Rate.", schema=Score)], model=MODEL, aggregate="merge"
        )
        assert run(graph, {"input": "x"})["output"] == {"tone": {"score": 4, "reason": "fine"}}

    def test_a_dict_input_fills_the_placeholders(self, server: StubServer) -> None:
        server.on("", lambda request: request.text)
        graph = create_sectioning([Section("a", "Does {answer} fit {question}?")], model=MODEL)
        output = run(graph, {"input": {"question": "Why?", "answer": "So."}})["output"]
        assert output == "## a\nDoes So. fit Why??"


def word_graph() -> Graph:
    def shout(state: Word) -> Word:
        return {"word": state["word"].upper()}

    graph = StateGraph(Word)
    graph.add_node("shout", shout)
    graph.add_edge(START, "shout")
    return graph.add_edge("shout", END).compile()


def messages_graph() -> Graph:
    def shout(state: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage(state["messages"][-1].text.upper())]}

    graph = StateGraph(MessagesState)
    graph.add_node("shout", shout)
    graph.add_edge(START, "shout")
    return graph.add_edge("shout", END).compile()


async def shout_async(text: str) -> str:
    return text.upper()


class Shouter:
    async def __call__(self, text: str) -> str:
        return text.upper()


RUNS = {
    "function": lambda text: text.upper(),
    "async function": shout_async,
    "function that gives a coroutine": lambda text: shout_async(text.lower()),
    "object with an async call": Shouter(),
    "builtin": str.upper,
    "runnable": RunnableLambda(str.upper),
    "compiled graph": word_graph(),
    "compiled graph of messages": messages_graph(),
    "another pattern": create_sectioning(
        [Section("in", run=str.upper)], aggregate=join(heading="")
    ),
}


class TestRuns:
    @pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
    @pytest.mark.parametrize("target", RUNS.values(), ids=RUNS)
    def test_a_run_gets_the_input_and_gives_the_output(self, target: Any, mode: str) -> None:
        graph = create_sectioning([Section("a", run=target)], aggregate="merge")
        assert run(graph, {"input": "word"}, mode)["output"] == {"a": "WORD"}

    def test_a_chat_model_can_be_a_run(self, server: StubServer) -> None:
        server.on("hello", "hi there")
        graph = create_sectioning([Section("a", run=chat_model(server))], aggregate="merge")
        state = run(graph, {"input": "hello"}, "ainvoke")
        assert state["output"] == {"a": "hi there"}
        assert state["report"]["branches"][0]["usage"]["calls"] == 1

    @pytest.mark.parametrize("kind", ["sync", "async"])
    def test_a_function_gets_config_and_runtime_if_it_asks_by_name(self, kind: str) -> None:
        def sync(text: str, runtime: Runtime[Place], config: RunnableConfig) -> str:
            return f"{text} {runtime.context.place} {config.get('metadata', {}).get('who')}"

        async def asynchronous(
            text: str, *, config: RunnableConfig, runtime: Runtime[Place]
        ) -> str:
            return sync(text, runtime, config)

        target = sync if kind == "sync" else asynchronous
        graph = create_sectioning(
            [Section("a", run=target)], aggregate="merge", context_schema=Place
        )
        config = RunnableConfig(metadata={"who": "me"})
        state = graph.invoke({"input": "I"}, config, context=Place("there"))
        assert state["output"] == {"a": "I there me"}

    def test_outputs_become_plain_data(self) -> None:
        outputs: list[Any] = [
            AIMessage("text"),
            Score(score=1, reason="r"),
            (1, {"two": 2.5}),
            None,
        ]
        graph = create_sectioning(
            [Section(f"s{i}", run=lambda _, i=i: outputs[i]) for i in range(4)], aggregate="merge"
        )
        assert list(run(graph, {"input": ""})["output"].values()) == [
            "text",
            {"score": 1, "reason": "r"},
            [1, {"two": 2.5}],
            None,
        ]

    def test_an_output_that_is_no_plain_data_is_an_error_that_says_so(self) -> None:
        graph = create_sectioning([Section("a", run=lambda _: object())])
        with pytest.raises(BranchFailedError, match=r"a \(error\): .*object is not plain data"):
            run(graph, {"input": ""})

    @pytest.mark.parametrize("mode", STREAMS)
    def test_calls_made_without_a_config_are_counted_and_do_not_stream(
        self, server: StubServer, mode: str
    ) -> None:
        server.on("hello", "hi there")
        model = chat_model(server)

        async def asks(text: str) -> str:
            return (await model.ainvoke(text)).text

        graph = create_sectioning([Section("a", run=asks)], aggregate="merge")
        seen = events(graph, {"input": "hello"}, mode, ["messages", "values"])
        state = seen[-1][1]
        assert state["output"] == {"a": "hi there"}
        assert state["report"]["branches"][0]["usage"]["calls"] == 1
        assert [item for name, item in seen if name == "messages"] == []


class TestSideBySide:
    @pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
    def test_more_plain_functions_than_cpus_work_at_once(self, mode: str) -> None:
        meeting = Meeting(40)
        graph = create_sectioning(
            [Section(f"s{i}", run=meeting.wait) for i in range(40)], max_concurrency=40
        )
        assert set(statuses(run(graph, {"input": ""}, mode)).values()) == {"ok"}

    @pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
    def test_async_functions_work_at_once(self, mode: str) -> None:
        meeting = Meeting(40)
        graph = create_sectioning(
            [Section(f"s{i}", run=meeting.join) for i in range(40)], max_concurrency=40
        )
        assert set(statuses(run(graph, {"input": ""}, mode)).values()) == {"ok"}

    def test_a_plain_function_does_not_hold_up_the_event_loop(self) -> None:
        other_ran = threading.Event()

        async def other(_: str) -> None:
            other_ran.set()

        graph = create_sectioning(
            [Section("blocks", run=lambda _: other_ran.wait(5)), Section("other", run=other)],
            aggregate="merge",
        )
        assert run(graph, {"input": ""}, "ainvoke")["output"]["blocks"] is True
