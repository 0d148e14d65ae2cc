"""`resume` goes on with what a thread has left undone, and starts what is not begun."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from drive import MODEL, Graph
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Checkpointer, Command, interrupt
from stub_server import Reply, StubServer
from typing_extensions import TypedDict

from langgraph_parallel import (
    BranchFailedError,
    Section,
    SetupError,
    Voter,
    aresume,
    create_sectioning,
    create_voting,
    resume,
)
from langgraph_parallel.nodes import dispatch

THREAD = RunnableConfig(configurable={"thread_id": "1"})
BOTH = pytest.mark.parametrize("mode", ["resume", "aresume"])


def go_on(graph: Graph, value: Any, mode: str, config: RunnableConfig = THREAD) -> Any:
    if mode == "resume":
        return resume(graph, value, config)
    return asyncio.run(aresume(graph, value, config))


def review(saver: Checkpointer) -> Graph:
    sections = [Section(name, f"Look at {name}.") for name in "ab"]
    return create_sectioning(sections, model=MODEL, aggregate="merge", checkpointer=saver)


@BOTH
class TestResume:
    def test_a_thread_without_a_run_starts_with_the_input(
        self, server: StubServer, mode: str
    ) -> None:
        server.on("", lambda request: request.messages[-1]["content"])
        graph = review(InMemorySaver())
        for text in ("one", "two"):
            assert go_on(graph, {"input": text}, mode)["output"] == {"a": text, "b": text}
        assert len(server.requests) == 4

    def test_a_run_that_was_cut_between_two_steps_repeats_nothing(
        self, server: StubServer, mode: str
    ) -> None:
        class Cut(InMemorySaver):
            is_cut = True

            def put(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
                if self.is_cut and "parallel_results" in checkpoint["channel_values"]:
                    raise ConnectionError("the disk is gone")
                return super().put(config, checkpoint, metadata, new_versions)

        saver = Cut()
        server.on("", "fine")
        with pytest.raises(ConnectionError):
            go_on(review(saver), {"input": "one"}, mode)
        dispatch._live.clear()
        assert review(saver).get_state(THREAD).next == ()
        saver.is_cut = False
        assert go_on(review(saver), {"input": "one"}, mode)["output"] == {"a": "fine", "b": "fine"}
        assert len(server.requests) == 2

    def test_a_run_that_has_ended_gives_its_output_again(
        self, server: StubServer, mode: str
    ) -> None:
        server.on("", "fine")
        graph = review(InMemorySaver())
        first, second = (go_on(graph, {"input": "one"}, mode) for _ in range(2))
        assert first == second
        assert set(second) == {"output", "report"}
        assert len(server.requests) == 2

    def test_the_same_words_again_in_a_conversation_are_a_new_turn(self, mode: str) -> None:
        parent = StateGraph(MessagesState)
        node = create_voting(Voter("v", run=len), input_key="messages")
        parent.add_node("vote", node)
        parent.add_edge(START, "vote")
        graph = parent.compile(checkpointer=InMemorySaver())
        lengths = [
            len(go_on(graph, {"messages": [("user", "more")]}, mode)["messages"]) for _ in range(3)
        ]
        assert lengths == [2, 4, 6]

    def test_an_unfinished_run_goes_on_with_the_input_that_it_has(
        self, server: StubServer, mode: str
    ) -> None:
        graph = review(InMemorySaver())
        server.on(lambda r: "at b" in r.text and r.seen == 0, Reply(status=401))
        server.on("", lambda request: request.messages[-1]["content"])
        with pytest.raises(BranchFailedError):
            go_on(graph, {"input": "one"}, mode)
        assert go_on(graph, {"input": "two"}, mode)["output"] == {"a": "one", "b": "one"}
        assert [server.count("at a"), server.count("at b")] == [1, 2]

    def test_an_answer_to_an_interrupt_is_passed_on(self, mode: str) -> None:
        graph = create_sectioning(
            [Section("human", run=lambda _: interrupt("?"))],
            aggregate="merge",
            checkpointer=InMemorySaver(),
        )
        waiting = [go_on(graph, {"input": "x"}, mode) for _ in range(2)]
        assert ["__interrupt__" in state for state in waiting] == [True, True]
        assert go_on(graph, Command(resume="yes"), mode)["output"] == {"human": "yes"}

    def test_a_graph_around_a_pattern_goes_on_too(self, server: StubServer, mode: str) -> None:
        class State(TypedDict, total=False):
            input: str
            output: dict[str, str]

        parent = StateGraph(State)
        parent.add_node("review", review(None))
        parent.add_edge(START, "review")
        graph = parent.compile(checkpointer=InMemorySaver())
        server.on(lambda r: "at b" in r.text and r.seen == 0, Reply(status=401))
        server.on("", "fine")
        with pytest.raises(BranchFailedError):
            go_on(graph, {"input": "one"}, mode)
        assert go_on(graph, {"input": "two"}, mode) == {
            "input": "one",
            "output": {"a": "fine", "b": "fine"},
        }
        assert [server.count("at a"), server.count("at b")] == [1, 2]

    def test_without_a_checkpointer_or_a_thread_it_says_so(self, mode: str) -> None:
        with pytest.raises(SetupError, match="'sectioning' has no checkpointer"):
            go_on(review(None), {"input": "x"}, mode)
        nameless = RunnableConfig(configurable={})
        with pytest.raises(SetupError, match="names no thread"):
            go_on(review(InMemorySaver()), {"input": "x"}, mode, nameless)


class TestSyncSaver:
    def test_graphs_in_branches_use_a_checkpointer_that_is_sync_only(
        self, server: StubServer, tmp_path: Path
    ) -> None:
        def make(saver: SqliteSaver) -> Graph:
            panel = [Voter(name, f"Judge {name}.") for name in "pqr"]
            vote = create_voting(panel, rounds="all_at_once", stop="fixed_3", model=MODEL)
            sections = [Section("vote", run=vote), Section("own", "Look.")]
            return create_sectioning(sections, model=MODEL, aggregate="merge", checkpointer=saver)

        server.on("", "yes")
        with SqliteSaver.from_conn_string(str(tmp_path / "db")) as saver:
            state = make(saver).invoke({"input": "x"}, THREAD)
        assert state["output"] == {"vote": "yes", "own": "yes"}
        assert len(server.requests) == 4

    def test_what_a_nested_graph_has_done_is_not_done_again(
        self, server: StubServer, tmp_path: Path
    ) -> None:
        asked: list[str] = []

        def person(_: str) -> Any:
            asked.append("person")
            return interrupt("?")

        def make(saver: SqliteSaver) -> Graph:
            inner = create_sectioning(
                [Section("model", "Look."), Section("person", run=person)],
                model=MODEL,
                aggregate="merge",
            )
            outer = [Section("inner", run=inner), Section("own", "Look.")]
            return create_sectioning(outer, model=MODEL, aggregate="merge", checkpointer=saver)

        server.on("", "fine")
        turns: list[Any] = [{"input": "x"}, {"input": "x"}, Command(resume="yes")]
        state: Any = None
        for given in turns:
            with SqliteSaver.from_conn_string(str(tmp_path / "db")) as saver:
                state = resume(make(saver), given, THREAD)
        assert state["output"] == {"inner": {"model": "fine", "person": "yes"}, "own": "fine"}
        assert (len(server.requests), len(asked)) == (2, 3)
