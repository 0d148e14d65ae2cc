"""Ctrl-C ends a sync run at once, and its calls with it."""

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from drive import in_background
from langgraph.graph import START, StateGraph
from stub_server import Reply, StubServer
from typing_extensions import TypedDict

from langgraph_parallel import (
    Guard,
    Section,
    Voter,
    create_guardrail,
    create_sectioning,
    create_voting,
)
from langgraph_parallel.show import watch


class State(TypedDict):
    """Of the plain graph."""

    input: str
    output: str


pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs signals")

MODEL = "openai:stub-model"
CASES: dict[str, Any] = {
    "sectioning": lambda: create_sectioning(
        [Section("one", "Hang."), Section("two", "Hang.")], model=MODEL
    ),
    "voting": lambda: create_voting(
        [Voter("one", "Hang."), Voter("two", "Hang."), Voter("three", "Hang.")],
        options=["a", "b"],
        model=MODEL,
    ),
    "guardrail": lambda: create_guardrail("Hang.", [Guard("harm", "Hang.")], model=MODEL),
}


def around(pattern: Any) -> Any:
    """Put a pattern into a plain graph."""
    builder = StateGraph(State).add_node("pattern", pattern).add_edge(START, "pattern")
    return builder.compile()


WAYS: dict[str, Any] = {
    "invoke": lambda graph, value: graph.invoke(value),
    "stream": lambda graph, value: list(graph.stream(value)),
    "batch": lambda graph, value: graph.batch([value, value]),
    "watch": watch,
    "watch a parent": lambda graph, value: watch(around(graph), value),
}


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubServer]:
    with StubServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "stub")
        server.on("Hang.", Reply("never", gate="never"))
        yield server


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("pattern", CASES)
def test_ctrl_c_closes_the_calls(stub: StubServer, pattern: str, way: str) -> None:
    graph = CASES[pattern]()

    def press() -> None:
        stub.wait_until(lambda log: log.waiting("never") >= 2, 30)
        os.kill(os.getpid(), signal.SIGINT)

    pressing = in_background(press)
    with pytest.raises(KeyboardInterrupt):
        WAYS[way](graph, {"input": "x"})
    pressing.result(5)
    stub.wait_until(lambda log: log.open_requests == 0, 10)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_host_that_handles_ctrl_c_itself_is_left_alone(stub: StubServer) -> None:
    heard = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: heard.set())
    try:

        def press() -> None:
            stub.wait_until(lambda log: log.waiting("never") >= 2, 30)
            os.kill(os.getpid(), signal.SIGINT)
            heard.wait(10)
            stub.open("never")

        pressing = in_background(press)
        output = CASES["sectioning"]().invoke({"input": "x"})["output"]
        pressing.result(15)
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard.is_set()
    assert "never" in output
