"""Sectioning whose sections are made from the input, by a function."""

import asyncio
from typing import Any

import pytest
from drive import MODEL, chat_model, events, run, statuses
from pydantic import BaseModel
from stub_server import StubServer

from langgraph_parallel import (
    Section,
    SetupError,
    create_sectioning,
)


class Score(BaseModel):
    score: int
    reason: str


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
