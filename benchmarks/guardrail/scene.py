"""The scene of a measurement: the stub server, what it answers, and the guarded graphs."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from stub_server import Record, Reply, StubServer
from typing_extensions import TypedDict

from langgraph_parallel import Guard, create_guardrail

Graph = CompiledStateGraph[Any, Any, Any, Any]

MODEL = "openai:stub-model"
VERDICT_AT = 0.30
TOKENS = 100
PER_TOKEN = 0.02
TEXT = " ".join(f"w{i}" for i in range(TOKENS))
REFUSAL = "No."
JUDGE, ANSWER = "Judge it.", "Answer it."


class State(TypedDict, total=False):
    """The state of the graphs around a guardrail."""

    input: str
    output: Any
    report: dict[str, Any]


@contextmanager
def stub() -> Iterator[StubServer]:
    """Run a stub server as the default model."""
    with StubServer() as server:
        os.environ["OPENAI_API_KEY"] = "sk-stub"
        os.environ["OPENAI_BASE_URL"] = f"{server.url}/v1"
        yield server


def verdict(*, trips: bool, **timing: Any) -> Reply:
    """Make the reply of a guard's model, by default after 0.30 s."""
    return Reply({"tripped": trips, "reason": "r"}, **{"delay": VERDICT_AT, **timing})


def answer(**timing: Any) -> Reply:
    """Make the reply of the answering model: 100 tokens, one each 20 ms."""
    return Reply(TEXT, **{"per_token": PER_TOKEN, **timing})


def guarded(guards: Sequence[Guard] = (), respond: Any = ANSWER, **options: Any) -> Graph:
    """Make the guardrail that is measured."""
    return create_guardrail(
        respond,
        guards or [Guard("g", JUDGE)],
        model=MODEL,
        refusal=REFUSAL,
        retries=0,
        **options,
    )


def nested(graph: Graph) -> Graph:
    """Put a graph into another one, and that into a third."""
    for name in ("inner", "outer"):
        around = StateGraph(State)
        around.add_node(name, graph)
        around.add_edge(START, name)
        graph = around.compile()
    return graph


def find(server: StubServer, when: str | Callable[[Record], bool]) -> list[Record]:
    """Give the records of the requests that have a text, or fulfil a condition."""
    if isinstance(when, str):
        text = when
        return [record for record in server.requests if text in record.request.text]
    return [record for record in server.requests if when(record)]
