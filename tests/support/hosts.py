"""Graphs around a pattern: the ways in which it can be embedded, and what must come out."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from drive import MODEL, Graph, chat_model
from langchain.agents import create_agent
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Checkpointer, Send
from stub_server import ChatRequest, Reply, StubServer, ToolCall
from typing_extensions import TypedDict

from langgraph_parallel import (
    Guard,
    Section,
    Voter,
    as_tool,
    create_guardrail,
    create_sectioning,
    create_voting,
)

LOOPS = 3
WIDTH = 3


def sectioning(**options: Any) -> Graph:
    """Make a sectioning graph whose answer is its first section's."""
    sections = [Section(name, f"You are {name}.") for name in "ab"]
    return create_sectioning(
        sections,
        model=MODEL,
        aggregate=lambda results: results[0].output if results else None,
        **options,
    )


def voting(**options: Any) -> Graph:
    """Make a voting graph."""
    return create_voting(Voter("v", "You are v."), model=MODEL, **options)


def guardrail(**options: Any) -> Graph:
    """Make a guardrail that lets everything pass."""
    return create_guardrail("You answer.", [Guard("g", "Judge.")], model=MODEL, **options)


PATTERNS: dict[str, Callable[..., Graph]] = {
    "sectioning": sectioning,
    "voting": voting,
    "guardrail": guardrail,
}


def answer(request: ChatRequest) -> Any:
    """Answer as the stub server: guards pass, an agent calls its tool, the rest echo."""
    last = request.messages[-1]
    if "Judge." in request.text:
        return {"tripped": False, "reason": "fine"}
    if request.body.get("tools") and last["role"] == "user":
        return Reply(tool_calls=[ToolCall("ask", {"input": last["content"]})])
    return f"told {last['content']}" if last["role"] == "tool" else f"heard {last['content']}"


@dataclass
class Host:
    """A way to embed a pattern."""

    make: Callable[[Callable[..., Graph], Checkpointer, StubServer], Graph]
    """From the pattern's builder, the checkpoints and the server to the graph."""
    given: Callable[[str], dict[str, Any]]
    """From what is said in a turn to the input."""
    wanted: Callable[[list[str]], Any]
    """From what was said in the turns that the state remembers to what must be in it."""
    found: Callable[[dict[str, Any]], Any]
    """From the output state to the same."""
    keys: set[str]
    """All keys of the output state."""


class Loop(TypedDict):
    """The state of a parent with a loop; it has keys of the pattern's own names."""

    input: str
    output: str
    log: Annotated[list[str], operator.add]
    parallel_results: Annotated[list[str], operator.add]
    left: int


def _gather(some: list[str], more: Any) -> list[str]:
    return some + (more if isinstance(more, list) else [more])


class Wide(TypedDict):
    """The state of a parent that fans out itself."""

    given: str
    output: Annotated[list[str], _gather]
    input: Annotated[list[str], operator.add]


def _alone(pattern: Callable[..., Graph], saver: Checkpointer, _: StubServer) -> Graph:
    return pattern(checkpointer=saver)


def _node(pattern: Callable[..., Graph], saver: Checkpointer, _: StubServer) -> Graph:
    graph = StateGraph(MessagesState)
    graph.add_node("pattern", pattern(input_key="messages"))
    return graph.add_edge(START, "pattern").compile(checkpointer=saver)


def _tool(pattern: Callable[..., Graph], saver: Checkpointer, server: StubServer) -> Graph:
    tool = as_tool(pattern(), name="ask", description="Ask the others.")
    return create_agent(chat_model(server), [tool], checkpointer=saver)


def _nested(pattern: Callable[..., Graph], saver: Checkpointer, _: StubServer) -> Graph:
    inner = create_sectioning([Section("inner", run=pattern())], aggregate="merge")
    outer = [Section("outer", run=inner), Section("twin", run=inner)]
    return create_sectioning(outer, aggregate="merge", checkpointer=saver)


def _loop(pattern: Callable[..., Graph], saver: Checkpointer, _: StubServer) -> Graph:
    def note(state: Loop) -> dict[str, Any]:
        return {"log": [state["output"]], "left": state["left"] - 1}

    graph = StateGraph(Loop)
    graph.add_node("pattern", pattern())
    graph.add_node("note", note)
    graph.add_edge(START, "pattern").add_edge("pattern", "note")
    graph.add_conditional_edges("note", lambda state: "pattern" if state["left"] else END)
    return graph.compile(checkpointer=saver)


def _fan_out(pattern: Callable[..., Graph], saver: Checkpointer, _: StubServer) -> Graph:
    def spread(state: Wide) -> list[Send]:
        return [Send("pattern", {"input": f"{state['given']} {i}"}) for i in range(WIDTH)]

    graph = StateGraph(Wide)
    graph.add_node("pattern", pattern())
    graph.add_conditional_edges(START, spread, ["pattern"])
    return graph.compile(checkpointer=saver)


def _agent_says(said: list[str]) -> list[str]:
    turns = ((text, "", f"heard {text}", f"told heard {text}") for text in said)
    return [message for turn in turns for message in turn]


HOSTS = {
    "alone": Host(
        _alone,
        lambda text: {"input": text},
        lambda said: f"heard {said[-1]}",
        lambda state: state["output"],
        {"output", "report"},
    ),
    "node": Host(
        _node,
        lambda text: {"messages": [("user", text)]},
        lambda said: [line for text in said for line in (text, f"heard {text}")],
        lambda state: [message.text for message in state["messages"]],
        {"messages"},
    ),
    "tool": Host(
        _tool,
        lambda text: {"messages": [("user", text)]},
        _agent_says,
        lambda state: [message.text for message in state["messages"]],
        {"messages"},
    ),
    "nested": Host(
        _nested,
        lambda text: {"input": text},
        lambda said: {name: {"inner": f"heard {said[-1]}"} for name in ("outer", "twin")},
        lambda state: state["output"],
        {"output", "report"},
    ),
    "loop": Host(
        _loop,
        lambda text: {"input": text, "left": LOOPS, "parallel_results": [text]},
        lambda said: (
            said[-1],
            [f"heard {text}" for text in said for _ in range(LOOPS)],
            said,
            0,
        ),
        lambda state: (state["input"], state["log"], state["parallel_results"], state["left"]),
        {"input", "output", "log", "parallel_results", "left"},
    ),
    "fan_out": Host(
        _fan_out,
        lambda text: {"given": text, "input": [text]},
        lambda said: (
            said[-1],
            said,
            [f"heard {text} {i}" for text in said for i in range(WIDTH)],
        ),
        lambda state: (state["given"], state["input"], state["output"]),
        {"given", "input", "output"},
    ),
}
