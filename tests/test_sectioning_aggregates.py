"""Aggregates: how the sections' results become one answer."""

from collections.abc import Callable
from typing import Any

import pytest
from drive import MODEL, STREAMS, chat_model, events, run, tokens
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langchain_openai import ChatOpenAI
from langgraph.runtime import Runtime
from stub_server import StubServer

from langgraph_parallel import (
    BranchFailedError,
    Section,
    SectionResult,
    create_sectioning,
    synthesize,
)


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
