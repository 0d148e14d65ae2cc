"""The pieces that run inside a graph, one by one."""

import asyncio
import contextvars
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.runnables import RunnableConfig
from langgraph.errors import EmptyChannelError, GraphInterrupt
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from langgraph_parallel.nodes import dispatch
from langgraph_parallel.nodes.branch import BranchResult
from langgraph_parallel.nodes.channel import Results
from langgraph_parallel.nodes.keys import DISPATCH
from langgraph_parallel.nodes.limits import NODE_POOL, run_limit
from langgraph_parallel.nodes.loop import run_sync
from langgraph_parallel.nodes.meter import no_usage
from langgraph_parallel.nodes.node import Node
from langgraph_parallel.nodes.threads import in_thread

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


def result(index: int, output: Any = None, of: str = "d") -> BranchResult:
    return BranchResult(
        index=index,
        name=f"b{index}",
        status="ok",
        output=output,
        error=None,
        model=None,
        attempts=1,
        started=0.0,
        seconds=0.0,
        usage=no_usage(),
        dispatch=of,
    )


def channel(*writes: list[BranchResult]) -> Results:
    made = Results()
    for write in writes:
        made.update([write])
    return made


class TestChannel:
    @given(st.permutations(range(6)), st.integers(1, 6))
    def test_results_come_by_index_however_they_were_written(
        self, order: Sequence[int], size: int
    ) -> None:
        writes = [[result(i) for i in order[at : at + size]] for at in range(0, 6, size)]
        one_step = Results()
        one_step.update(writes)
        assert one_step.get() == channel(*writes).get() == [result(i) for i in range(6)]

    def test_a_replayed_branch_replaces_itself(self) -> None:
        made = channel([result(0, "old"), result(1, "kept")], [result(0, "new")])
        assert [one["output"] for one in made.get()] == ["new", "kept"]

    def test_a_newer_dispatch_replaces_all_of_the_older_one(self) -> None:
        made = channel([result(0), result(1), result(2)], [result(1, of="newer")])
        assert made.get() == [result(1, of="newer")]

    def test_a_checkpoint_gives_the_same_channel_again(self) -> None:
        made = channel([result(1), result(0)])
        again = made.from_checkpoint(made.checkpoint())
        assert again.get() == made.get()
        again.update([[result(2)]])
        assert len(made.get()) == 2

    def test_without_results_it_is_empty(self) -> None:
        empty = Results().from_checkpoint(None)
        assert not empty.is_available()
        assert not empty.update([])
        with pytest.raises(EmptyChannelError):
            empty.get()


class TestThreads:
    async def test_a_function_runs_in_another_thread_with_the_callers_context(self) -> None:
        VARIABLE.set("caller's")
        here = threading.get_ident()
        seen = await in_thread(lambda: (threading.get_ident() != here, VARIABLE.get()))
        assert seen == (True, "caller's")

    async def test_its_error_is_raised_here(self) -> None:
        with pytest.raises(ZeroDivisionError):
            await in_thread(lambda: 1 / 0)

    async def test_a_stop_iteration_becomes_an_error_that_a_future_can_carry(self) -> None:
        with pytest.raises(RuntimeError, match=r"raised StopIteration\(3\)"):
            await in_thread(stop)

    async def test_a_cancelled_wait_returns_at_once_and_the_late_result_is_dropped(self) -> None:
        go, gone = threading.Event(), threading.Event()

        def late() -> str:
            go.wait(5)
            gone.set()
            return "late"

        waiting = asyncio.create_task(in_thread(late))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not gone.is_set()
        go.set()
        await asyncio.to_thread(gone.wait, 5)


def stop() -> None:
    raise StopIteration(3)


class TestLoop:
    def test_a_coroutine_runs_with_the_callers_context_and_gives_its_result(self) -> None:
        async def work() -> str:
            return VARIABLE.get()

        def call() -> str:
            VARIABLE.set("caller's")
            return run_sync(work())

        assert contextvars.copy_context().run(call) == "caller's"

    def test_its_error_is_raised_here(self) -> None:
        async def work() -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            run_sync(work())

    def test_a_call_that_would_wait_for_itself_is_refused(self) -> None:
        async def work() -> None:
            run_sync(asyncio.sleep(0))

        with pytest.raises(RuntimeError, match="Use `ainvoke` or `astream` in an async branch"):
            run_sync(work())

    def test_an_interrupted_wait_cancels_the_coroutine(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cancelled = threading.Event()

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        waits = iter([KeyboardInterrupt()])
        usual = asyncio.run_coroutine_threadsafe

        def interrupted(*arguments: Any) -> Any:
            future = usual(*arguments)
            wait = future.result

            def result(timeout: float | None = None) -> Any:
                for interrupt in waits:
                    raise interrupt
                return wait(timeout)

            future.result = result  # type: ignore[method-assign]
            return future

        monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_sync(work())
        assert cancelled.wait(5)


class State(TypedDict, total=False):
    parallel_dispatch: dispatch.Dispatch
    seen: str


class TestNode:
    @pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
    def test_an_action_gets_state_config_and_runtime(self, mode: str) -> None:
        async def action(state: Any, config: RunnableConfig, runtime: Runtime[Any]) -> State:
            return {
                "seen": f"{state['seen']} {config.get('metadata', {})['who']} {runtime.context}"
            }

        config = RunnableConfig(metadata={"who": "me"})
        assert self.run(action, {"seen": "I"}, mode, config)["seen"] == "I me None"

    @pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
    @pytest.mark.parametrize(("error", "left"), [(LookupError, 0), (GraphInterrupt, 1)])
    def test_an_error_ends_the_dispatch_and_a_pause_does_not(
        self, error: type[Exception], left: int, mode: str
    ) -> None:
        async def action(state: Any, config: RunnableConfig, runtime: Runtime[Any]) -> State:
            raise error

        made = asyncio.run(self.opened())
        try:
            self.run(action, {DISPATCH: made}, mode)
        except LookupError:
            assert error is LookupError
        assert len(dispatch._live) == left
        dispatch.close_dispatch(made)

    @staticmethod
    async def opened() -> dispatch.Dispatch:
        return dispatch.new_dispatch(None)

    @staticmethod
    def run(action: Any, state: Any, mode: str, config: RunnableConfig | None = None) -> Any:
        graph = StateGraph(State)
        graph.add_node("node", Node(action, "node"))
        graph.add_edge(START, "node")
        compiled = graph.compile()
        if mode == "invoke":
            return compiled.invoke(state, config)
        return asyncio.run(compiled.ainvoke(state, config))


class TestLimiter:
    def test_the_users_bound_of_a_run_is_told_from_the_librarys(self) -> None:
        assert run_limit(RunnableConfig(max_concurrency=3)) == 3
        assert run_limit(RunnableConfig(max_concurrency=NODE_POOL)) is None
        assert run_limit(RunnableConfig()) is None
