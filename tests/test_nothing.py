"""Nothing to do is a result: an empty answer and a whole report, and nobody is asked."""

from collections.abc import Callable
from typing import Any

import pytest
from drive import MODES, Graph, run
from hosts import PATTERNS, guardrail, sectioning, voting
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from stub_server import StubServer

from langgraph_parallel.nodes import dispatch

OWN_KEYS = {
    "sectioning": {"failed", "skipped"},
    "voting": {"decision", "counts", "rounds", "calls", "dissent"},
    "guardrail": {"verdict", "guards", "blocked_by", "reasons"},
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PATTERNS)
def test_an_empty_conversation_gets_no_message(server: StubServer, name: str, mode: str) -> None:
    state = run(PATTERNS[name](input_key="messages"), {"messages": []}, mode)
    report = state["report"]
    assert (state["messages"], report["branches"], report["pattern"]) == ([], [], name)
    assert report["usage"]["calls"] == len(server.requests) == 0
    assert set(report) >= OWN_KEYS[name]
    assert dispatch._live == {}


@pytest.mark.parametrize(
    ("make", "empty"),
    [
        (sectioning, None),
        (lambda **keys: voting(default="none", **keys), "none"),
        (guardrail, ""),
    ],
)
def test_under_another_key_the_answer_is_empty(
    server: StubServer, make: Callable[..., Graph], empty: Any
) -> None:
    state = run(make(input_key="messages", output_key="answer"), {"messages": []})
    assert state["answer"] == empty


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
def test_a_conversation_begins_after_it(
    server: StubServer, pattern: Callable[..., Graph], mode: str
) -> None:
    server.on("Judge.", {"tripped": False, "reason": "fine"})
    server.on("", "fine")
    graph = StateGraph(MessagesState)
    graph.add_node("pattern", pattern(input_key="messages"))
    host = graph.add_edge(START, "pattern").compile(checkpointer=InMemorySaver())
    config = RunnableConfig(configurable={"thread_id": "1"})
    assert run(host, {"messages": []}, mode, config)["messages"] == []
    said = run(host, {"messages": [("user", "hello")]}, mode, config)["messages"]
    assert [message.text for message in said] == ["hello", "fine"]
