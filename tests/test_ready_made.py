"""Settings of the ready-made graphs in Python: stops, models, and contexts of nested patterns."""

import asyncio
import json
from typing import Any, get_args

import pytest
from langgraph.graph import START, StateGraph
from pydantic import BaseModel
from stub_server import Reply, StubServer
from studio import ANSWER, BRANCHES, CONFIG, ENDS, GIVEN, harmless
from typing_extensions import TypedDict

from langgraph_parallel.graphs import (
    classify,
    code_review,
    guarded_agent,
    moderation,
    response_evaluation,
    safe_respond,
    vulnerability_scan,
)
from langgraph_parallel.graphs.guarded_agent import GuardedAgentSettings

VOTES = {
    "quick": 2,
    "standard": 3,
    "careful": 4,
    "first_to_3": 3,
    "first_to_5": 5,
    "settled": 5,
    "all": 9,
}
"""Equal votes after which each stop has enough, of 9 at most."""

SETTINGS: list[type[BaseModel]] = [
    code_review.CodeReviewSettings,
    response_evaluation.EvaluationSettings,
    classify.ClassifySettings,
    vulnerability_scan.ScanSettings,
    moderation.ModerationSettings,
    safe_respond.SafeRespondSettings,
    GuardedAgentSettings,
]

SERVED = json.loads(CONFIG.read_text())["graphs"]

sync_and_async = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])


def call(graph: Any, mode: str, given: Any, context: Any) -> Any:
    if mode == "invoke":
        return graph.invoke(given, context=context)
    return asyncio.run(graph.ainvoke(given, context=context))


@pytest.mark.parametrize("graph", SERVED)
@pytest.mark.parametrize("table", ["BRANCHES", "ENDS", "GIVEN"])
def test_each_graph_that_is_served_is_known_to_the_tests_of_studio(graph: str, table: str) -> None:
    known = {"BRANCHES": BRANCHES, "ENDS": ENDS, "GIVEN": GIVEN}[table]
    assert graph in known, f"add {graph} to {table} of tests/support/studio.py"


@pytest.mark.parametrize("stop", get_args(classify.ClassifyStop))
def test_each_stop_of_the_classification_has_enough_where_it_says(
    server: StubServer, stop: str
) -> None:
    server.on("", {"ballot": "neutral"})
    context = {"stop": stop, "max_votes": 9, "model": "openai:m"}
    report = classify.graph.invoke({"input": "x"}, context=context)["report"]
    assert report["counts"] == {"neutral": VOTES[stop]}
    assert report["calls"]["started"] == server.count() == VOTES[stop]


@pytest.mark.parametrize("settings", SETTINGS)
def test_no_model_and_an_empty_one_mean_the_model_of_the_environment(
    settings: type[BaseModel],
) -> None:
    defaults = settings()
    assert settings(model=None) == settings(model="") == defaults
    with pytest.raises(ValueError, match="valid string"):
        settings(model=1)


@sync_and_async
def test_settings_of_the_agent_reach_the_patterns_inside(server: StubServer, mode: str) -> None:
    server.on("The eagle?", {"ballot": "unsafe"})
    server.on("", lambda request: Reply(harmless(request)))
    context = GuardedAgentSettings(
        model="openai:inside",
        care_prompt="The eagle?",
        respond_prompt="The falcon.",
        tone_prompt="The kite? {question} {answer}",
        stop="all",
    )
    state = call(guarded_agent.graph, mode, GIVEN["guarded_agent"], context)
    assert state["messages"][-1].content == ANSWER
    assert [server.count(word) for word in ("eagle", "falcon", "kite")] == [1, 1, 1]
    assert {record.request.model for record in server.requests} == {"inside"}
    strict = context.model_copy(update={"threshold": 1, "refusal": "No."})
    state = call(guarded_agent.graph, mode, GIVEN["guarded_agent"], strict)
    assert state["messages"][-1].content == "No."


@sync_and_async
def test_a_parent_with_the_same_settings_sets_them_for_a_graph_inside(
    server: StubServer, mode: str
) -> None:
    class Text(TypedDict):
        input: str
        output: str

    server.on("The eagle?", {"ballot": "neutral"})
    builder = StateGraph(Text, context_schema=classify.ClassifySettings)
    builder.add_node("classify", classify.graph)
    builder.add_edge(START, "classify")
    context = {"prompt": "The eagle?", "stop": "quick", "model": "openai:m"}
    assert call(builder.compile(), mode, {"input": "x"}, context)["output"] == "neutral"
    assert server.count("The eagle?") == 2
