"""Every pattern in every place, with every kind of checkpoints, in every mode, twice."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from drive import Graph, collect
from hosts import HOSTS, PATTERNS, Host, answer, guardrail, sectioning, voting
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import Checkpointer
from stub_server import StubServer
from typing_extensions import TypedDict

from langgraph_parallel import Guard, Section, as_node, create_guardrail, create_sectioning

THREAD = RunnableConfig(configurable={"thread_id": "1"})
TURNS = ("one", "two")
MODES = ("invoke", "ainvoke", "stream", "astream")


@pytest.fixture
def server(server: StubServer) -> StubServer:
    server.on("", answer)
    return server


@pytest.fixture(params=["none", "memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name where the checkpoints are; of SQLite, the file."""
    return str(tmp_path / "db") if request.param == "sqlite" else request.param


def turns(make: Callable[[Checkpointer], Graph], host: Host, mode: str, store: str) -> list[Any]:
    """Run two turns in one of the modes, and give both output states."""
    with ExitStack() as stack:
        saver: Checkpointer = InMemorySaver() if store == "memory" else None
        if store not in {"none", "memory"}:
            saver = stack.enter_context(SqliteSaver.from_conn_string(store))
        graph = make(saver)
        if mode == "invoke":
            return [graph.invoke(host.given(text), THREAD) for text in TURNS]
        streams = [graph.stream(host.given(text), THREAD, stream_mode="values") for text in TURNS]
        return [seen(graph, list(stream)[-1]) for stream in streams]


async def async_turns(
    make: Callable[[Checkpointer], Graph], host: Host, mode: str, store: str
) -> list[Any]:
    """Do the same in async code."""
    if store not in {"none", "memory"}:
        async with AsyncSqliteSaver.from_conn_string(store) as saver:
            return [await one_turn(make(saver), host, mode, text) for text in TURNS]
    graph = make(InMemorySaver() if store == "memory" else None)
    return [await one_turn(graph, host, mode, text) for text in TURNS]


async def one_turn(graph: Graph, host: Host, mode: str, text: str) -> Any:
    if mode == "ainvoke":
        return await graph.ainvoke(host.given(text), THREAD)
    states = await collect(graph.astream(host.given(text), THREAD, stream_mode="values"))
    return seen(graph, states[-1])


def seen(graph: Graph, state: dict[str, Any]) -> dict[str, Any]:
    """Take what is the graph's output out of a state that it streamed."""
    return {key: state[key] for key in graph.get_output_jsonschema()["properties"] if key in state}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_the_answer_is_right_nothing_doubles_and_nothing_is_stale(
    server: StubServer, pattern: Callable[..., Graph], host: Host, store: str, mode: str
) -> None:
    def make(saver: Checkpointer) -> Graph:
        return host.make(pattern, saver, server)

    if mode.startswith("a"):
        states = asyncio.run(async_turns(make, host, mode, store))
    else:
        states = turns(make, host, mode, store)
    for number, state in enumerate(states):
        remembered = TURNS[: number + 1] if store != "none" else TURNS[number : number + 1]
        assert host.found(state) == host.wanted(list(remembered))
        assert set(state) == host.keys


class Draft(TypedDict, total=False):
    draft: dict[str, str]
    reviews: list[str]


def editor() -> Graph:
    """Make a parent of another state, with a guarded vote inside a section inside a node."""
    guarded = create_guardrail(str, [Guard("judge", run=voting(), trip_on="bad")])
    review = create_sectioning(
        [Section("guarded", run=guarded), Section("plain", run=sectioning())], aggregate="merge"
    )
    graph = StateGraph(Draft)
    node = as_node(
        review,
        read=lambda state: {"input": state["draft"]["text"]},
        write=lambda result: {"reviews": [result["output"]]},
    )
    graph.add_node("review", node)
    return graph.add_edge(START, "review").compile()


class TestParent:
    @pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
    def test_a_parent_with_another_state_reads_and_writes_its_own_keys(
        self, server: StubServer, mode: str
    ) -> None:
        given = {"draft": {"text": "x"}}
        graph = editor()
        state: Any = graph.invoke(given) if mode == "invoke" else asyncio.run(graph.ainvoke(given))
        assert state == {**given, "reviews": [{"guarded": "x", "plain": "heard x"}]}

    @pytest.mark.parametrize("mode", ["stream", "astream"])
    def test_every_level_streams_under_its_own_names(self, server: StubServer, mode: str) -> None:
        graph, given = editor(), {"draft": {"text": "x"}}
        options: Any = {"stream_mode": "updates", "subgraphs": True}
        if mode == "stream":
            events = list(graph.stream(given, **options))
        else:
            events = asyncio.run(collect(graph.astream(given, **options)))
        seen: dict[tuple[str, ...], set[str]] = {}
        for namespace, update in events:
            levels = tuple(level.split(":")[0] for level in namespace)
            seen.setdefault(levels, set()).update(update)
        assert seen == {
            (): {"review"},
            ("review",): {"fan_out", "guarded", "plain", "reduce"},
            ("review", "plain"): {"fan_out", "a", "b", "reduce"},
            ("review", "guarded"): {"fan_out", "judge", "respond", "verdict"},
            ("review", "guarded", "judge"): {"fan_out", "v", "tally"},
        }

    def test_the_drawing_shows_every_level(self) -> None:
        nodes = set(editor().get_graph(xray=True).nodes)
        assert {
            "review:plain:a",
            "review:plain:reduce",
            "review:guarded:respond",
            "review:guarded:verdict",
            "review:guarded:judge:v",
            "review:guarded:judge:tally",
        } <= nodes

    def test_the_state_of_every_level_can_be_looked_at(self, server: StubServer) -> None:
        graph = create_sectioning(
            [Section("in", run=guardrail())],
            checkpointer=InMemorySaver(),
            interrupt_before=["reduce"],
        )
        graph.invoke({"input": "x"}, THREAD)
        assert [name for name, _ in graph.get_subgraphs(recurse=True)] == ["in"]
        assert graph.get_state(THREAD, subgraphs=True).next == ("reduce",)
