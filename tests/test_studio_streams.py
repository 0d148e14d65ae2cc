"""What runs of the ready-made graphs stream behind the development server, in every mode."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import pytest
from studio import ANSWER, BRANCHES, ENDS, GIVEN, Studio, at_once

pytest.importorskip("langgraph_api", reason="the development server needs Python 3.11")
pytestmark = pytest.mark.slow

MODES = [
    "values",
    "updates",
    "messages-tuple",
    "custom",
    "tasks",
    "checkpoints",
    "debug",
    "events",
]
WRITERS = {
    "code_review": ["reduce"],
    "safe_respond": ["respond"],
    "guarded_agent": ["chat:respond"],
}
"""The nodes whose tokens are the answer."""

PANELS = {"moderation", "guarded_agent"}
"""The graphs that close the calls of voters who cannot change anything any more."""

NAMES: Mapping[str, Callable[[Any], str]] = {
    "messages": lambda data: data[0]["content"],
    "updates": " ".join,
    "custom": lambda data: data["event"] + data["branch"],
    "tasks": lambda data: data["name"] + ("result" in data) * " ended",
    "checkpoints": lambda data: str(data["metadata"]["step"]),
    "debug": lambda data: data["type"],
}
"""What the parts of a mode are called, whatever the order in which they come."""

FAN_OUTS = {"guarded_agent": ["chat:fan_out", "chat:safety:fan_out", "evaluate:fan_out"]}

Stream: TypeAlias = list[tuple[str, str, Any]]
"""Mode, path of the nested graph, data."""

each_graph = pytest.mark.parametrize("graph", BRANCHES)


@pytest.fixture(scope="module")
def streams(studio: Studio) -> dict[str, Stream]:
    """A stream of each graph in all modes, with prompts and model of its own."""
    return _streams(studio, MODES)


@pytest.fixture(scope="module")
def plain(studio: Studio) -> dict[str, Stream]:
    """The same without `events`, for which the server runs graphs in another way."""
    return _streams(studio, [mode for mode in MODES if mode != "events"])


@each_graph
def test_prompts_and_model_that_are_set_reach_their_nodes(
    studio: Studio, streams: dict[str, Stream], graph: str
) -> None:
    fields = studio.schema(graph, "context")["properties"]
    told = {
        _at(path, task["name"]): task
        for path, data in _of(streams[graph], "tasks")
        for task in (data.get("input") or {}).get("tasks", ())
    }
    assert {task["model"] for task in told.values() if task["prompt"]} == {f"openai:{graph}"}
    for name, words in _own_prompts(studio, graph).items():
        (node,) = fields[name]["langgraph_nodes"]
        if node in BRANCHES[graph]:
            assert told[node]["prompt"].startswith(words)
        assert studio.asked(graph, words) == studio.stub.count(words) >= 1


@each_graph
def test_each_branch_has_an_update_under_its_own_name(
    streams: dict[str, Stream], graph: str
) -> None:
    updated = [_at(path, name) for path, data in _of(streams[graph], "updates") for name in data]
    own = [*FAN_OUTS.get(graph, ["fan_out"]), *BRANCHES[graph], *ENDS[graph]]
    outer = ["chat:safety", "chat", "evaluate"] if graph == "guarded_agent" else []
    assert set(updated) == {*own, *outer}
    votes = 3 if graph == "classify" else 1
    assert all(updated.count(branch) == votes for branch in BRANCHES[graph])


@each_graph
def test_custom_tells_of_each_branch_when_it_starts_and_ends(
    streams: dict[str, Stream], graph: str
) -> None:
    told = _of(streams[graph], "custom")
    branches = set(BRANCHES[graph]) | ({"chat:safety"} if graph == "guarded_agent" else set())
    for event in ("branch_started", "branch_finished"):
        named = {_at(path, data["branch"]) for path, data in told if data["event"] == event}
        assert named == branches
    ends = [data["status"] for _, data in told if data["event"] == "branch_finished"]
    assert set(ends) == {"ok"}


@each_graph
def test_messages_are_the_tokens_of_the_answer_alone(
    streams: dict[str, Stream], graph: str
) -> None:
    parts = [part for _, part in _of(streams[graph], "messages")]
    assert "".join(message["content"] for message, _ in parts) == (
        ANSWER if graph in WRITERS else ""
    )
    nodes = {metadata["langgraph_node"] for _, metadata in parts}
    assert nodes == {node.rpartition(":")[2] for node in WRITERS.get(graph, [])}
    assert len([message for message, _ in parts if message["content"]]) in {0, 3}


@each_graph
def test_values_go_from_the_input_to_the_answer(streams: dict[str, Stream], graph: str) -> None:
    states = [data for path, data in _of(streams[graph], "values") if not path]
    (key,) = GIVEN[graph]
    if key == "input":
        assert states[0] == GIVEN[graph]
        assert states[-1]["output"]
        assert {branch["status"] for branch in states[-1]["report"]["branches"]} == {"ok"}
    else:
        assert [message["type"] for message in states[0][key]] == ["human"]
        assert [message["type"] for message in states[-1][key]] == ["human", "ai"]
        assert states[-1]["evaluation"]["overall"] == 1


@each_graph
def test_tasks_give_every_node_a_beginning_and_an_end(
    streams: dict[str, Stream], graph: str
) -> None:
    tasks = _of(streams[graph], "tasks")
    begun = {data["id"] for _, data in tasks if "input" in data}
    ended = {data["id"] for _, data in tasks if "result" in data and data["error"] is None}
    names = {_at(path, data["name"]) for path, data in tasks}
    assert begun == ended
    assert {*BRANCHES[graph], *ENDS[graph]} <= names


@each_graph
def test_checkpoints_end_with_the_answer_and_nothing_left_to_do(
    streams: dict[str, Stream], graph: str
) -> None:
    points = [data for path, data in _of(streams[graph], "checkpoints") if not path]
    assert [point["metadata"]["step"] for point in points] == list(range(-1, len(points) - 1))
    assert points[-1]["next"] == []
    values = [data for path, data in _of(streams[graph], "values") if not path]
    (answer,) = {"output", "evaluation"} & set(values[-1])
    assert points[-1]["values"][answer] == values[-1][answer]


@each_graph
def test_debug_has_the_tasks_and_checkpoints_with_their_times(
    streams: dict[str, Stream], graph: str
) -> None:
    debug = _of(streams[graph], "debug")
    assert {data["type"] for _, data in debug} == {"checkpoint", "task", "task_result"}
    assert all(data["timestamp"] for _, data in debug)
    results = {
        _at(path, data["payload"]["name"]) for path, data in debug if data["type"] == "task_result"
    }
    assert {*BRANCHES[graph], *ENDS[graph]} <= results


@each_graph
def test_events_tell_of_the_graph_and_of_every_node(streams: dict[str, Stream], graph: str) -> None:
    events = [data for _, data in _of(streams[graph], "events")]
    assert (events[0]["event"], events[0]["name"]) == ("on_chain_start", graph)
    assert (events[-1]["event"], events[-1]["name"]) == ("on_chain_end", graph)
    nodes = {node.rpartition(":")[2] for node in (*BRANCHES[graph], *ENDS[graph])}
    assert nodes <= {event["name"] for event in events if event["event"] == "on_chain_end"}
    assert "error" not in {event["event"].rpartition("_")[2] for event in events}


@each_graph
def test_without_events_the_other_modes_say_the_same(
    streams: dict[str, Stream], plain: dict[str, Stream], graph: str
) -> None:
    assert not [mode for mode, _, _ in plain[graph] if mode == "events"]
    for mode, name in NAMES.items():
        with_events, without = (
            sorted(_at(path, name(data)) for path, data in _of(stream[graph], mode))
            for stream in (streams, plain)
        )
        assert without == with_events, mode
    last, own = (_of(stream[graph], "values")[-1][1] for stream in (streams, plain))
    assert {*own} - {*GIVEN[graph]} <= {*last}
    assert "evaluation" in own if graph == "guarded_agent" else own["output"] == last["output"]


def _streams(studio: Studio, modes: list[str]) -> dict[str, Stream]:
    def stream(graph: str) -> Stream:
        hear = {"stop": "all"} if graph in PANELS else {}
        own = _own_prompts(studio, graph)
        return list(studio.stream(graph, modes, model=f"openai:{graph}", **own, **hear))

    return {graph: found.result() for graph, found in at_once(stream, BRANCHES).items()}


def _own_prompts(studio: Studio, graph: str) -> dict[str, str]:
    settings = studio.schema(graph, "context")["properties"]
    return {name: f"The {name} of {graph}." for name in settings if name.endswith("prompt")}


def _of(stream: Stream, mode: str) -> list[tuple[str, Any]]:
    found = [(path, data) for one, path, data in stream if one == mode]
    assert found or mode == "messages"
    return found


def _at(path: str, name: str) -> str:
    return f"{path}:{name}" if path else name
