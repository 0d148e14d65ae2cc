"""Sectioning: each section does its own work, and the aggregate makes one answer of it."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from drive import STREAMS, Graph, Meeting, events, run, statuses, tokens
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.runtime import Runtime
from pydantic import BaseModel, SecretStr
from stub_server import StubServer
from typing_extensions import TypedDict

from langgraph_parallel import (
    BranchFailedError,
    Section,
    SectionResult,
    SetupError,
    create_sectioning,
    join,
    synthesize,
)

MODEL = "openai:stub-model"


class Score(BaseModel):
    score: int
    reason: str


@dataclass
class Place:
    place: str


class Word(TypedDict):
    word: str


def chat_model(server: StubServer, name: str = "stub-model") -> ChatOpenAI:
    return ChatOpenAI(
        model=name, base_url=server.url + "/v1", api_key=SecretStr("stub"), max_retries=0
    )


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


class TestDynamic:
    @pytest.mark.parametrize("kind", ["function", "async function"])
    @pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
    def test_a_function_makes_the_sections_from_the_input(
        self, server: StubServer, kind: str, mode: str
    ) -> None:
        server.on("", lambda request: request.messages[-1]["content"] * 2)

        def split(text: str) -> list[Section]:
            return [Section(f"part {i}", "Double.", input=p) for i, p in enumerate(text.split())]

        async def split_async(text: str) -> list[Section]:
            return split(text)

        sections = split if kind == "function" else split_async
        graph = create_sectioning(sections, model=MODEL, aggregate="merge")
        state = run(graph, {"input": "a b c"}, mode)
        assert state["output"] == {"part 0": "aa", "part 1": "bb", "part 2": "cc"}
        assert list(statuses(state)) == ["part 0", "part 1", "part 2"]

    def test_dynamic_sections_can_have_all_that_static_ones_have(self, server: StubServer) -> None:
        server.on("Rate", {"score": 2, "reason": "meh"})
        server.on("", lambda request: request.model)

        def make(_: str) -> list[Section]:
            return [
                Section("schema", "Rate.", schema=Score),
                Section("run", run=str.upper, input="own"),
                Section("named", "Say.", model="openai:named"),
                Section("object", "Say.", model=chat_model(server, "object")),
            ]

        graph = create_sectioning(make, model=chat_model(server, "pattern's"), aggregate="merge")
        assert run(graph, {"input": "x"})["output"] == {
            "schema": {"score": 2, "reason": "meh"},
            "run": "OWN",
            "named": "named",
            "object": "object",
        }

    def test_plain_dynamic_sections_use_a_chat_model_object_of_the_pattern(
        self, server: StubServer
    ) -> None:
        server.on("", lambda request: request.model)
        graph = create_sectioning(
            lambda _: [Section("a", "Say."), Section("b", "Say.")],
            model=chat_model(server, "pattern's"),
            aggregate="merge",
        )
        assert run(graph, {"input": ""})["output"] == {"a": "pattern's", "b": "pattern's"}

    def test_dynamic_sections_keep_their_own_timeouts(self) -> None:
        async def hang(_: str) -> None:
            await asyncio.Event().wait()

        graph = create_sectioning(
            lambda _: [Section("a", run=hang, timeout=0.02, required=False)], aggregate="merge"
        )
        state = run(graph, {"input": ""})
        assert (state["output"], statuses(state)) == ({}, {"a": "timeout"})

    @pytest.mark.parametrize(
        ("aggregate", "empty"), [("join", ""), ("merge", {}), ("synthesize", "")]
    )
    def test_no_sections_give_the_aggregate_of_nothing(
        self, server: StubServer, aggregate: str, empty: Any
    ) -> None:
        graph = create_sectioning(lambda _: [], model=MODEL, aggregate=aggregate)
        state = run(graph, {"input": "x"})
        assert (state["output"], state["report"]["branches"]) == (empty, [])
        assert server.requests == []

    def test_two_hundred_chunks_go_in_few_sends_and_come_back_in_order(
        self, server: StubServer
    ) -> None:
        server.on("", lambda request: request.messages[-1]["content"] + "!")

        def chunks(text: str) -> list[Section]:
            return [Section(f"chunk {i}", "Mark.", input=p) for i, p in enumerate(text.split())]

        graph = create_sectioning(chunks, model=MODEL, aggregate="merge")
        text = " ".join(map(str, range(200)))
        seen = events(graph, {"input": text}, "astream", ["updates", "values"])
        state = seen[-1][1]
        assert list(state["output"].items()) == [(f"chunk {i}", f"{i}!") for i in range(200)]
        assert [branch["index"] for branch in state["report"]["branches"]] == list(range(200))
        assert len(server.requests) == 200
        assert sum("section" in item for name, item in seen if name == "updates") <= 64

    def test_bad_dynamic_sections_raise_before_any_call(self, server: StubServer) -> None:
        graph = create_sectioning(lambda _: [Section("a", "x"), Section("a", "y")], model=MODEL)
        with pytest.raises(SetupError, match="2 sections are named 'a'"):
            run(graph, {"input": ""})
        assert server.requests == []

    def test_an_error_of_the_function_is_raised_as_it_is(self, server: StubServer) -> None:
        def split(_: str) -> list[Section]:
            raise LookupError("no such file")

        with pytest.raises(LookupError, match="no such file"):
            run(create_sectioning(split), {"input": ""})


def parts() -> list[Section]:
    return [Section("one", run=lambda _: "first"), Section("two", run=lambda _: {"b": 2})]


def sync_list(
    results: list[SectionResult],
    *,
    input: str,  # noqa: A002
    model: BaseChatModel,
    config: RunnableConfig,
    runtime: Runtime[None],
) -> list[Any]:
    assert "callbacks" in config
    assert isinstance(runtime, Runtime)
    return [input, getattr(model, "model_name", None), *results]


async def async_list(results: list[SectionResult], model: ChatOpenAI, input: str) -> list[Any]:  # noqa: A002
    return [input, model.model_name, *results]


def coroutine_list(results: list[SectionResult], model: ChatOpenAI, input: str) -> Any:  # noqa: A002
    return async_list(results, model, input)


class TestAggregates:
    def test_join_puts_texts_under_headings(self) -> None:
        output = run(create_sectioning(parts()), {"input": ""})["output"]
        assert output == '## one\nfirst\n\n## two\n{\n  "b": 2\n}'

    def test_merge_gives_one_dict(self) -> None:
        output = run(create_sectioning(parts(), aggregate="merge"), {"input": ""})["output"]
        assert output == {"one": "first", "two": {"b": 2}}

    @pytest.mark.parametrize("aggregate", [sync_list, async_list, coroutine_list])
    def test_a_function_of_yours_gets_results_in_order_and_what_it_asks_for(
        self, server: StubServer, aggregate: Callable[..., Any]
    ) -> None:
        graph = create_sectioning(parts(), model=MODEL, aggregate=aggregate)
        assert run(graph, {"input": "text"})["output"] == [
            "text",
            "stub-model",
            {"name": "one", "output": "first", "index": 0},
            {"name": "two", "output": {"b": 2}, "index": 1},
        ]

    def test_synthesize_asks_the_model_for_one_text_of_all(self, server: StubServer) -> None:
        server.on("Merge them.", lambda request: request.messages[-1]["content"].upper())
        graph = create_sectioning(parts(), model=MODEL, aggregate=synthesize("Merge them."))
        state = run(graph, {"input": "x"})
        assert state["output"] == '## ONE\nFIRST\n\n## TWO\n{\n  "B": 2\n}'
        assert state["report"]["usage"]["calls"] == 1

    def test_synthesize_can_have_a_model_of_its_own(self, server: StubServer) -> None:
        server.on("", lambda request: request.model)
        own = synthesize(model=chat_model(server, "own"))
        graph = create_sectioning(parts(), model=MODEL, aggregate=own)
        assert run(graph, {"input": "x"}, "ainvoke")["output"] == "own"

    @pytest.mark.parametrize("mode", STREAMS)
    def test_the_synthesis_streams_token_by_token_and_sections_do_not(
        self, server: StubServer, mode: str
    ) -> None:
        server.on("Several specialists", "all in all good")
        server.on("", "section text")
        graph = create_sectioning(
            [Section("a", "Look."), Section("b", "See.")], model=MODEL, aggregate="synthesize"
        )
        seen = events(graph, {"input": "x"}, mode, "messages")
        assert tokens(seen) == ["all", " in", " all", " good"]

    def test_a_failing_aggregate_raises_with_the_report_of_all_sections(self) -> None:
        def broken(_: list[SectionResult]) -> str:
            raise KeyError("missing")

        with pytest.raises(BranchFailedError, match="aggregate failed: KeyError") as caught:
            run(create_sectioning(parts(), aggregate=broken), {"input": ""})
        assert [b["output"] for b in caught.value.report["branches"]] == ["first", {"b": 2}]


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
