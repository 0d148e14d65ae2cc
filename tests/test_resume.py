"""A run that was cut goes on where it was, in the same process or in another one."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from drive import MODEL, Graph, statuses
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import Checkpointer
from stub_log import RequestLog
from stub_server import Reply, StubServer
from typing_extensions import TypedDict

from langgraph_parallel import (
    BranchFailedError,
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
Make = Callable[[Checkpointer], Graph]


class Lab:
    """Runs one graph again and again, each time as if in a new process, or in the same one."""

    def __init__(self, path: Path, *, same_process: bool) -> None:
        self._path = path
        self._memory = InMemorySaver() if same_process else None

    @asynccontextmanager
    async def graph(self, make: Make) -> AsyncIterator[Graph]:
        """Give the graph with its checkpoints."""
        if self._memory is not None:
            yield make(self._memory)
            return
        dispatch._live.clear()
        # In this process SQLite may keep a lock for a statement that was cut, as no dead process
        # does: so the next one finds a copy of what is on the disk.
        self._path = shutil.copytree(self._path, self._path.with_name(f"{self._path.name}+"))
        async with AsyncSqliteSaver.from_conn_string(str(self._path / "db")) as saver:
            yield make(saver)

    async def cut(
        self, make: Make, server: StubServer, *, finished: int, waiting: Mapping[str, int]
    ) -> None:
        """Start a run and cancel it.

        Args:
            make: Makes the graph.
            server: The server.
            finished: How many nodes must have finished and been saved.
            waiting: How many requests must wait at each gate.
        """

        def is_there(log: RequestLog) -> bool:
            return len(seen) == finished and all(log.waiting(g) == n for g, n in waiting.items())

        seen: list[Any] = []
        async with self.graph(make) as graph:
            stream = graph.astream({"input": "x"}, THREAD, stream_mode="updates", subgraphs=True)
            running = asyncio.create_task(gather(stream, seen))
            await server.until(is_there)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
        await server.until(lambda log: log.open_requests == 0)


async def gather(stream: AsyncIterator[Any], seen: list[Any]) -> None:
    async for item in stream:
        seen.append(item)  # noqa: PERF401  # what is there so far is looked at meanwhile


@pytest.fixture(params=[True, False], ids=["same process", "other process"])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Lab:
    (tmp_path / "disk").mkdir()
    return Lab(tmp_path / "disk", same_process=request.param)


class TestCancelled:
    async def test_finished_sections_are_not_run_again(self, server: StubServer, lab: Lab) -> None:
        def make(saver: Checkpointer) -> Graph:
            sections = [Section(name, f"Look at {name}.") for name in "abc"]
            return create_sectioning(sections, model=MODEL, aggregate="merge", checkpointer=saver)

        server.on("at b", Reply("B", gate="b"))
        server.on("", lambda request: request.text.split()[2][0].upper())
        await lab.cut(make, server, finished=3, waiting={"b": 1})
        server.open("b")
        async with lab.graph(make) as graph:
            state = await graph.ainvoke(None, THREAD)
        assert state["output"] == {"a": "A", "b": "B", "c": "C"}
        assert [server.count(f"at {name}") for name in "abc"] == [1, 2, 1]
        assert set(statuses(state).values()) == {"ok"}

    async def test_a_finished_chunk_of_dynamic_sections_is_not_run_again(
        self, server: StubServer, lab: Lab
    ) -> None:
        def chunks(_: str) -> list[Section]:
            return [Section(f"c{i}", "Look.", input=f"chunk {i};") for i in range(100)]

        def make(saver: Checkpointer) -> Graph:
            return create_sectioning(
                chunks, model=MODEL, aggregate="merge", max_concurrency=100, checkpointer=saver
            )

        server.on("chunk 7;", Reply("7", gate="7"))
        server.on("", "fine")
        await lab.cut(make, server, finished=50, waiting={"7": 1})
        server.open("7")
        async with lab.graph(make) as graph:
            state = await graph.ainvoke(None, THREAD)
        assert (len(state["output"]), state["output"]["c7"]) == (100, "7")
        assert len(server.requests) == 102  # two of them go in one chunk

    async def test_ballots_of_earlier_rounds_are_not_cast_again(
        self, server: StubServer, lab: Lab
    ) -> None:
        def make(saver: Checkpointer) -> Graph:
            voter = Voter("v", "Vote.")
            return create_voting(voter, options=["a", "b"], model=MODEL, checkpointer=saver)

        server.on(lambda request: request.seen < 3, lambda r: {"ballot": "aba"[r.seen]})
        server.on("", Reply({"ballot": "a"}, gate="second round"))
        await lab.cut(make, server, finished=6, waiting={"second round": 2})
        server.open("second round")
        async with lab.graph(make) as graph:
            state = await graph.ainvoke(None, THREAD)
        assert state["report"]["counts"] == {"a": 4, "b": 1}
        assert (state["report"]["calls"]["started"], len(server.requests)) == (5, 3 + 2 + 2)

    async def test_inside_a_parent_finished_branches_are_not_run_again(
        self, server: StubServer, lab: Lab
    ) -> None:
        class State(TypedDict, total=False):
            input: str
            output: str

        def make(saver: Checkpointer) -> Graph:
            sections = [Section(name, f"Look at {name}.") for name in "ab"]
            graph = StateGraph(State)
            graph.add_node("pattern", create_sectioning(sections, model=MODEL))
            graph.add_edge(START, "pattern")
            return graph.compile(checkpointer=saver)

        server.on("at b", Reply("B", gate="b"))
        server.on("", "A")
        await lab.cut(make, server, finished=2, waiting={"b": 1})
        server.open("b")
        async with lab.graph(make) as graph:
            state = await graph.ainvoke(None, THREAD)
        assert state == {"input": "x", "output": "## a\nA\n\n## b\nB"}
        assert [server.count(f"at {name}") for name in "ab"] == [1, 2]


def guarded(saver: Checkpointer) -> Graph:
    return create_guardrail("Answer.", [Guard("g", "Judge.")], model=MODEL, checkpointer=saver)


class TestGuardrail:
    @pytest.mark.parametrize("trips", [False, True])
    async def test_a_resumed_answer_is_put_off_until_the_guards_are_done(
        self, server: StubServer, lab: Lab, trips: bool
    ) -> None:
        server.on("Judge.", Reply({"tripped": trips, "reason": "r"}, gate="guard"))
        server.on("Answer.", Reply("the secret", gate="end", gate_after=2))
        await lab.cut(guarded, server, finished=1, waiting={"guard": 1, "end": 1})
        server.open("end")
        seen: list[Any] = []
        async with lab.graph(guarded) as graph:
            modes: Any = ["messages", "values", "updates", "custom", "tasks"]
            running = asyncio.create_task(
                gather(graph.astream(None, THREAD, stream_mode=modes), seen)
            )
            await server.until(lambda log: log.waiting("guard") == 1)
            before, asked = str(seen), server.count("Answer.")
            server.open("guard")
            await running
            state = (await graph.aget_state(THREAD)).values
        assert (asked, "secret" in before) == (1, False)
        assert server.count("Answer.") == (1 if trips else 2)
        assert state["output"] == (REFUSAL if trips else "the secret")
        assert ("secret" in str(seen)) is not trips
        assert state["report"]["verdict"] == ("blocked" if trips else "passed")

    async def test_an_answer_that_was_cut_after_the_pass_asks_no_guard_again(
        self, server: StubServer, lab: Lab
    ) -> None:
        server.on("Judge.", {"tripped": False, "reason": "r"})
        server.on("Answer.", Reply("the answer", gate="end", gate_after=1))
        await lab.cut(guarded, server, finished=2, waiting={"end": 1})
        server.open("end")
        async with lab.graph(guarded) as graph:
            state = await graph.ainvoke(None, THREAD)
        assert state["output"] == "the answer"
        assert [server.count("Judge."), server.count("Answer.")] == [1, 2]

    async def test_a_guard_that_had_tripped_still_blocks(
        self, server: StubServer, lab: Lab
    ) -> None:
        def make(saver: Checkpointer) -> Graph:
            return create_guardrail(
                "Answer.",
                [Guard("quick", "Judge."), Guard("slow", "Look.")],
                model=MODEL,
                verdict="all",
                checkpointer=saver,
            )

        server.on("Look.", Reply({"tripped": True, "reason": ""}, gate="slow"))
        server.on("Judge.", {"tripped": True, "reason": "r"})
        server.on("Answer.", "the secret")
        await lab.cut(make, server, finished=2, waiting={"slow": 1})
        server.open("slow")
        async with lab.graph(make) as graph:
            state = await graph.ainvoke(None, THREAD)
        assert state["output"] == REFUSAL
        assert state["report"]["blocked_by"] == ["quick", "slow"]
        assert [server.count("Judge."), server.count("Answer.")] == [1, 1]


class TestFailed:
    async def test_after_an_error_only_the_failed_section_is_run_again(
        self, server: StubServer
    ) -> None:
        server.on(lambda r: "at b" in r.text and r.seen == 0, Reply(status=401))
        server.on("", "fine")
        sections = [Section(name, f"Look at {name}.") for name in "ab"]
        graph = create_sectioning(
            sections, model=MODEL, aggregate="merge", checkpointer=InMemorySaver()
        )
        with pytest.raises(BranchFailedError):
            await graph.ainvoke({"input": "x"}, THREAD)
        state = await graph.ainvoke(None, THREAD)
        assert state["output"] == {"a": "fine", "b": "fine"}
        assert [server.count(f"at {name}") for name in "ab"] == [1, 2]

    async def test_after_an_error_only_the_failed_answer_is_run_again(
        self, server: StubServer
    ) -> None:
        server.on(lambda r: "Answer." in r.text and r.seen == 0, Reply(status=401))
        server.on("Answer.", "fine")
        server.on("", {"tripped": False, "reason": ""})
        graph = guarded(InMemorySaver())
        with pytest.raises(BranchFailedError):
            await graph.ainvoke({"input": "x"}, THREAD)
        assert (await graph.ainvoke(None, THREAD))["output"] == "fine"
        assert server.count("Judge.") == 1

    async def test_after_all_votes_failed_they_are_asked_for_again(
        self, server: StubServer
    ) -> None:
        server.on(lambda request: request.seen < 3, Reply(status=401))
        server.on("", {"ballot": "a"})
        graph = create_voting(
            Voter("v", "Vote."), options=["a", "b"], model=MODEL, checkpointer=InMemorySaver()
        )
        with pytest.raises(BranchFailedError):
            await graph.ainvoke({"input": "x"}, THREAD)
        report = (await graph.ainvoke(None, THREAD))["report"]
        assert (report["counts"], len(report["branches"])) == ({"a": 3}, 3)

    @pytest.mark.parametrize("pattern", ["sectioning", "voting", "guardrail"])
    async def test_what_fails_again_raises_again_and_leaves_nothing(
        self, server: StubServer, pattern: str
    ) -> None:
        saver = InMemorySaver()
        passes = [Guard("g", run=lambda _: False)]
        graphs: dict[str, Callable[[], Graph]] = {
            "sectioning": lambda: create_sectioning(
                [Section("a", "Look.")], model=MODEL, checkpointer=saver
            ),
            "voting": lambda: create_voting(Voter("v", "Look."), model=MODEL, checkpointer=saver),
            "guardrail": lambda: create_guardrail("Look.", passes, model=MODEL, checkpointer=saver),
        }
        server.on("", Reply(status=401))
        calls = 3 if pattern == "voting" else 1
        for turn in range(1, 4):
            with pytest.raises(BranchFailedError, match="refused the API key"):
                await graphs[pattern]().ainvoke(None if turn > 1 else {"input": "x"}, THREAD)
            assert len(server.requests) == calls * turn
            assert dispatch._live == {}
