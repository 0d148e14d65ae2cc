"""What LangGraph Studio is told of the ready-made graphs: drawings, inputs and settings."""

from typing import Any

import pytest
from studio import BRANCHES, ENDS, Studio

pytest.importorskip("langgraph_api", reason="the development server needs Python 3.11")
pytestmark = pytest.mark.slow

OTHER_SETTINGS = {
    "code_review": {"deadline"},
    "response_evaluation": {"deadline"},
    "classify": {"labels", "stop", "max_votes", "deadline"},
    "vulnerability_scan": {"stop", "deadline"},
    "moderation": {"threshold", "stop", "deadline"},
    "safe_respond": {"threshold", "deadline", "answer_deadline", "refusal"},
    "guarded_agent": {
        "threshold",
        "stop",
        "deadline",
        "answer_deadline",
        "refusal",
        "evaluation_deadline",
    },
}
"""Settings beside the model and the prompts."""

VOTES = {
    "classify": "",
    "vulnerability_scan": "",
    "moderation": "",
    "guarded_agent": "chat:safety:",
}
"""The graphs with rounds of votes, and where in the drawing."""

PATTERNS = sorted(set(BRANCHES) - {"guarded_agent"})

each_graph = pytest.mark.parametrize("graph", BRANCHES)


@each_graph
def test_each_graph_is_listed_with_a_description(studio: Studio, graph: str) -> None:
    assistant = studio.assistant(graph)
    assert assistant["name"] == graph
    assert assistant["description"].endswith(".")


@each_graph
def test_each_graph_is_drawn_with_a_node_per_named_branch(studio: Studio, graph: str) -> None:
    nodes, edges = studio.drawing(graph)
    inner = [n for n in nodes if not n.endswith(("__start__", "__end__", "fan_out"))]
    assert sorted(inner) == sorted([*BRANCHES[graph], *ENDS[graph]])
    if graph in PATTERNS:
        assert nodes == ["__start__", "fan_out", *BRANCHES[graph], *ENDS[graph], "__end__"]
    sent = {target for source, target in edges if source.endswith("fan_out")}
    assert sent - {"chat:safety:__start__"} == set(BRANCHES[graph])


@pytest.mark.parametrize("graph", VOTES)
def test_the_rounds_of_a_vote_are_drawn_as_a_loop(studio: Studio, graph: str) -> None:
    _, edges = studio.drawing(graph)
    at = VOTES[graph]
    assert (f"{at}tally", f"{at}fan_out") in edges


@pytest.mark.parametrize("graph", sorted(set(PATTERNS) - {"response_evaluation"}))
def test_the_input_is_a_text_field(studio: Studio, graph: str) -> None:
    given = studio.schema(graph, "input")
    assert given["required"] == ["input"]
    (field,) = given["properties"].values()
    assert field["type"] == "string"
    assert field["title"] in {"Code", "Text", "Message"}
    assert field["description"]


def test_the_evaluation_asks_for_two_texts(studio: Studio) -> None:
    given = studio.schema("response_evaluation", "input")
    (reference,) = given["properties"].values()
    fields = given["$defs"][reference["$ref"].rpartition("/")[2]]
    assert fields["required"] == ["question", "answer"]
    for field in fields["properties"].values():
        assert field["type"] == "string"
        assert field["description"]


def test_the_agent_takes_messages(studio: Studio) -> None:
    given = studio.schema("guarded_agent", "input")
    (field,) = given["properties"].values()
    kinds = {kind["$ref"].rpartition("/")[2] for kind in field["items"]["oneOf"]}
    assert list(given["properties"]) == ["messages"]
    assert {"HumanMessage", "AIMessage"} <= kinds


@pytest.mark.parametrize("graph", PATTERNS)
def test_the_output_is_the_answer_and_the_report(studio: Studio, graph: str) -> None:
    assert list(studio.schema(graph, "output")["properties"]) == ["output", "report"]


@each_graph
def test_the_settings_are_the_model_the_prompts_and_what_the_pattern_has(
    studio: Studio, graph: str
) -> None:
    settings = studio.schema(graph, "context")["properties"]
    prompts = {name for name in settings if name.endswith("prompt")}
    assert graph in OTHER_SETTINGS, f"add {graph} and its other settings to OTHER_SETTINGS"
    assert set(settings) == {"model", *prompts, *OTHER_SETTINGS[graph]}


@each_graph
def test_each_branch_has_its_prompt_at_its_node(studio: Studio, graph: str) -> None:
    prompts = _prompts(studio, graph)
    assert all(field["langgraph_type"] == "prompt" for field in prompts)
    assert all(field["default"] and field["minLength"] == 1 for field in prompts)
    at = sorted(node for field in prompts for node in field["langgraph_nodes"])
    synthesis = ["reduce"] if graph == "code_review" else []
    assert at == sorted([*BRANCHES[graph], *synthesis])


@each_graph
def test_each_setting_has_a_field_a_default_and_nodes_that_are_drawn(
    studio: Studio, graph: str
) -> None:
    nodes, _ = studio.drawing(graph)
    for name, field in studio.schema(graph, "context")["properties"].items():
        assert field["type"] in {"string", "integer", "number", "array"}, name
        assert field["description"].endswith("."), name
        assert "default" in field, name
        assert field["langgraph_nodes"], name
        assert set(field["langgraph_nodes"]) <= set(nodes), name


@each_graph
def test_numbers_have_bounds_and_stops_a_list_to_choose_from(studio: Studio, graph: str) -> None:
    settings = studio.schema(graph, "context")["properties"]
    for name, field in settings.items():
        if field["type"] in {"integer", "number"}:
            assert 0 < field["minimum"] <= field["default"] <= field["maximum"], name
    if "stop" in settings:
        assert {"settled", "all", settings["stop"]["default"]} <= set(settings["stop"]["enum"])


def _prompts(studio: Studio, graph: str) -> list[dict[str, Any]]:
    settings = studio.schema(graph, "context")["properties"]
    return [field for name, field in settings.items() if name.endswith("prompt")]
