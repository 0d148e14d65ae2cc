"""A branch waits for a human, and goes on with the answer, perhaps in another process."""

from pathlib import Path
from typing import Any

import pytest
from drive import MODEL
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command, interrupt
from stub_server import StubServer

from langgraph_parallel import (
    Guard,
    Section,
    Voter,
    create_guardrail,
    create_sectioning,
    create_voting,
)
from langgraph_parallel.nodes import dispatch
from langgraph_parallel.nodes.guard import REFUSAL

THREAD = RunnableConfig(configurable={"thread_id": "1"})


class Counted:
    """A plain function that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, text: str) -> str:
        self.calls += 1
        return text.upper()


def ask_a_human(_: str) -> Any:
    return interrupt("What do you say?")


@pytest.mark.parametrize("same_process", [True, False])
class TestInterrupts:
    def test_a_section_can_wait_for_a_human_and_its_siblings_are_kept(
        self, tmp_path: Path, same_process: bool
    ) -> None:
        counted = Counted()
        sections = [Section("before", run=counted), Section("human", run=ask_a_human)]
        sections.append(Section("after", run=counted))
        state: Any = None
        turns: list[Any] = [{"input": "x"}, Command(resume="yes")]
        for given in turns:
            with SqliteSaver.from_conn_string(str(tmp_path / "db")) as saver:
                graph = create_sectioning(sections, aggregate="merge", checkpointer=saver)
                state = graph.invoke(given, THREAD)
            if not same_process:
                dispatch._live.clear()
        assert state["output"] == {"before": "X", "human": "yes", "after": "X"}
        assert counted.calls == 2
        assert dispatch._live == {}

    @pytest.mark.parametrize(("answer", "output"), [(False, "the answer"), (True, REFUSAL)])
    def test_a_guard_can_wait_for_a_human_and_nothing_leaks_meanwhile(
        self, server: StubServer, tmp_path: Path, same_process: bool, answer: bool, output: str
    ) -> None:
        server.on("", "the answer")
        seen: list[Any] = []
        state: Any = None
        turns: list[Any] = [{"input": "x"}, Command(resume=answer)]
        for given in turns:
            assert "answer" not in str(seen)
            with SqliteSaver.from_conn_string(str(tmp_path / "db")) as saver:
                guards = [Guard("human", run=ask_a_human), Guard("other", run=lambda _: False)]
                graph = create_guardrail("Answer.", guards, model=MODEL, checkpointer=saver)
                modes: Any = ["messages", "values", "updates", "custom", "tasks"]
                seen = list(graph.stream(given, THREAD, stream_mode=modes))
                state = graph.get_state(THREAD)
            if not same_process:
                dispatch._live.clear()
        assert state.values["output"] == output
        assert "answer" not in str(seen) if answer else "the answer" in str(seen)

    def test_a_voter_can_wait_for_a_human(self, tmp_path: Path, same_process: bool) -> None:
        voters = [
            Voter("ann", run=lambda _: "a"),
            Voter("bob", run=lambda _: "b"),
            Voter("human", run=ask_a_human),
        ]
        state: Any = None
        turns: list[Any] = [{"input": "x"}, Command(resume="b")]
        for given in turns:
            with SqliteSaver.from_conn_string(str(tmp_path / "db")) as saver:
                graph = create_voting(voters, rounds="all_at_once", checkpointer=saver)
                state = graph.invoke(given, THREAD)
            if not same_process:
                dispatch._live.clear()
        assert (state["output"], state["report"]["counts"]) == ("b", {"a": 1, "b": 2})
