"""What the builders give: drawings, schemas, names, compile options, uncompiled graphs."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from drive import MODES, Graph, run
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.store.memory import InMemoryStore
from pydantic import Field
from typing_extensions import TypedDict

from langgraph_parallel import (
    Guard,
    Section,
    Voter,
    build_guardrail,
    build_sectioning,
    build_voting,
    create_guardrail,
    create_sectioning,
    create_voting,
)
from langgraph_parallel.errors import SetupError


class Input(TypedDict):
    input: str


SECTIONS = [Section("security", run=str), Section("style", run=str)]
VOTERS = [Voter("ann", run=lambda _: "a"), Voter("bob", run=lambda _: "a")]
GUARDS = [Guard("secrets", run=lambda _: False), Guard("tone", run=lambda _: False)]


def sectioning(**options: Any) -> Graph:
    return create_sectioning(SECTIONS, **options)


def voting(**options: Any) -> Graph:
    return create_voting(VOTERS, **options)


def guardrail(**options: Any) -> Graph:
    return create_guardrail(str, GUARDS, **options)


PATTERNS: dict[str, Callable[..., Graph]] = {
    "sectioning": sectioning,
    "voting": voting,
    "guardrail": guardrail,
}
ALL = pytest.mark.parametrize("make", PATTERNS.values(), ids=PATTERNS)

EDGES = {
    "sectioning": {
        ("__start__", "fan_out"),
        ("fan_out", "security"),
        ("fan_out", "style"),
        ("security", "reduce"),
        ("style", "reduce"),
        ("reduce", "__end__"),
    },
    "voting": {
        ("__start__", "fan_out"),
        ("fan_out", "ann"),
        ("fan_out", "bob"),
        ("ann", "tally"),
        ("bob", "tally"),
        ("tally", "fan_out"),
        ("tally", "__end__"),
    },
    "guardrail": {
        ("__start__", "fan_out"),
        ("fan_out", "secrets"),
        ("fan_out", "tone"),
        ("fan_out", "respond"),
        ("secrets", "verdict"),
        ("tone", "verdict"),
        ("respond", "verdict"),
        ("verdict", "respond"),
        ("verdict", "__end__"),
    },
}


class TestDrawing:
    @pytest.mark.parametrize("pattern", PATTERNS)
    def test_branches_are_drawn_by_name_with_all_edges(self, pattern: str) -> None:
        drawn = PATTERNS[pattern]().get_graph()
        assert {(edge.source, edge.target) for edge in drawn.edges} == EDGES[pattern]

    def test_dynamic_sections_are_drawn_as_one_node_that_may_be_left_out(self) -> None:
        drawn = create_sectioning(lambda _: SECTIONS).get_graph()
        assert {(edge.source, edge.target) for edge in drawn.edges} == {
            ("__start__", "fan_out"),
            ("fan_out", "section"),
            ("fan_out", "reduce"),
            ("section", "reduce"),
            ("reduce", "__end__"),
        }

    def test_a_blocking_guardrail_is_drawn_with_the_answer_behind_the_verdict(self) -> None:
        edges = create_guardrail(str, GUARDS, mode="blocking").get_graph().edges
        pairs = {(edge.source, edge.target) for edge in edges}
        assert pairs == EDGES["guardrail"] - {("fan_out", "respond")}


class TestSchemas:
    @ALL
    def test_input_and_output_are_narrow(self, make: Callable[..., Graph]) -> None:
        graph = make()
        assert set(graph.get_input_jsonschema()["properties"]) == {"input"}
        assert set(graph.get_output_jsonschema()["properties"]) == {"output", "report"}
        assert set(run(graph, {"input": "x"})) == {"output", "report"}

    @ALL
    def test_keys_can_be_renamed(self, make: Callable[..., Graph]) -> None:
        graph = make(input_key="text", output_key="judgement")
        assert set(graph.get_input_jsonschema()["properties"]) == {"text"}
        assert set(run(graph, {"text": "x"})) == {"judgement", "report"}

    @ALL
    def test_one_key_can_be_read_and_written(self, make: Callable[..., Graph]) -> None:
        graph = make(input_key="text", output_key="text")
        assert run(graph, {"text": "x"})["text"] == run(make(), {"input": "x"})["output"]

    @ALL
    def test_schemas_have_names_of_their_own(self, make: Callable[..., Graph]) -> None:
        graph = make()
        name = graph.get_name().capitalize()
        assert graph.get_input_jsonschema()["title"] == f"{name}Input"
        assert graph.get_output_jsonschema()["title"] == f"{name}Output"

    @ALL
    def test_the_input_may_be_anything_unless_its_type_is_given(
        self, make: Callable[..., Graph]
    ) -> None:
        text = Annotated[str, Field(title="Text", description="What is read.")]
        field = {"type": "string", "title": "Text", "description": "What is read."}
        fields = [
            graph.get_input_jsonschema()["properties"]
            for graph in (make(), make(input_type=str), make(input_type=text, input_key="text"))
        ]
        assert fields[0] == {"input": {"title": "Input"}}
        assert fields[1] == {"input": {"title": "Input", "type": "string"}}
        assert fields[2] == {"text": field}

    @ALL
    @pytest.mark.parametrize("mode", MODES)
    def test_an_input_of_another_type_than_the_form_has_is_read_as_ever(
        self, make: Callable[..., Graph], mode: str
    ) -> None:
        given = {"input": {"a": 1}}
        assert run(make(input_type=str), given, mode)["output"] == run(make(), given)["output"]

    @ALL
    def test_a_conversation_has_no_other_type(self, make: Callable[..., Graph]) -> None:
        with pytest.raises(SetupError, match="Leave out one of them"):
            make(input_key="messages", input_type=str)


class TestCompileOptions:
    @pytest.mark.parametrize("pattern", PATTERNS)
    def test_a_graph_is_named_after_its_pattern_or_as_you_like(self, pattern: str) -> None:
        assert PATTERNS[pattern]().get_name() == pattern
        assert PATTERNS[pattern](name="mine").get_name() == "mine"

    @ALL
    def test_checkpointer_and_store_are_passed_on(self, make: Callable[..., Graph]) -> None:
        saver, store = InMemorySaver(), InMemoryStore()
        graph = make(checkpointer=saver, store=store)
        assert (graph.checkpointer, graph.store) == (saver, store)
        config = RunnableConfig(configurable={"thread_id": "1"})
        output = run(graph, {"input": "x"}, config=config)["output"]
        assert graph.get_state(config).values["output"] == output

    def test_a_run_can_be_stopped_before_a_branch(self) -> None:
        graph = sectioning(checkpointer=InMemorySaver(), interrupt_before=["reduce"])
        config = RunnableConfig(configurable={"thread_id": "1"})
        graph.invoke({"input": "x"}, config)
        assert graph.get_state(config).next == ("reduce",)
        assert graph.invoke(None, config)["output"] == "## security\nx\n\n## style\nx"


class TestBuild:
    @pytest.mark.parametrize(
        ("build", "make"),
        [
            (lambda: build_sectioning(SECTIONS), sectioning),
            (lambda: build_voting(VOTERS), voting),
            (lambda: build_guardrail(str, GUARDS), guardrail),
        ],
        ids=PATTERNS,
    )
    @pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
    def test_build_gives_the_same_graph_uncompiled(
        self, build: Callable[[], StateGraph[Any, Any, Any, Any]], make: Any, mode: str
    ) -> None:
        graph = build()
        assert isinstance(graph, StateGraph)
        compiled = graph.compile()
        assert compiled.get_graph().nodes.keys() == make().get_graph().nodes.keys()
        output = run(make(), {"input": "x"}, mode)["output"]
        assert run(compiled, {"input": "x"}, mode)["output"] == output

    def test_nodes_can_be_added_to_an_uncompiled_graph(self) -> None:
        def before(state: Input) -> Input:
            return {"input": state["input"] + "!"}

        graph = build_sectioning([Section("a", run=str)])
        graph.add_node("before", before)
        graph.edges.discard((START, "fan_out"))
        graph.add_edge(START, "before").add_edge("before", "fan_out")
        assert run(graph.compile(), {"input": "x"})["output"] == "## a\nx!"
