"""Runs patterns thousands of times in one process and looks for what stays behind.

`make bench-leaks` runs each pattern 5,000 times, half of them sync and half async. The tests do
the same with fewer runs.
"""

import asyncio
import gc
import heapq
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from langgraph.graph.state import CompiledStateGraph
from stub_process import stub_process
from stub_server import ChatRequest
from stub_types import Answer

from langgraph_parallel import (
    Guard,
    Section,
    Voter,
    create_guardrail,
    create_sectioning,
    create_voting,
)
from langgraph_parallel.nodes import dispatch, loop, places

RUNS = 5_000
MODEL = "openai:stub-model"
Graph = CompiledStateGraph[Any, Any, Any, Any]


class Count(NamedTuple):
    """What there is in the process."""

    objects: int
    """Python objects that the garbage collector knows."""
    kilobytes: int
    """Memory that the process has."""
    tasks: int
    """Tasks of the caller's event loop and of the library's."""
    threads: int
    files: int
    """Open files and sockets."""
    dispatches: int
    """Entries of the library's registry of dispatches that are under way."""
    held: int
    """Places that are taken, or waited for."""


def sectioning() -> Graph:
    """Make a graph of two sections, one of which is a vote."""
    vote = create_voting(Voter("v", "Vote."), model=MODEL, stop="fixed_2")
    sections = [Section("a", "Look."), Section("vote", run=vote)]
    return create_sectioning(sections, model=MODEL)


def voting() -> Graph:
    """Make a graph that asks for votes until the decision is clear."""
    return create_voting(Voter("v", "Vote."), model=MODEL, stop="ahead_by_1")


def guardrail() -> Graph:
    """Make a graph with a guard that blocks every second input."""
    return create_guardrail("Answer.", [Guard("g", "Judge.")], model=MODEL)


PATTERNS: dict[str, Callable[[], Graph]] = {
    "sectioning": sectioning,
    "voting": voting,
    "guardrail": guardrail,
}


def growth(make: Callable[[], Graph], runs: int) -> Count:
    """Run a graph so many times, and give what the second half of the runs has left behind.

    The environment must name the stub server.
    """
    return asyncio.run(_growth(make(), runs))


async def _growth(graph: Graph, runs: int) -> Count:
    counts = []
    for _ in range(2):
        for number in range(runs // 4):
            given = {"input": f"text {number}"}
            await graph.ainvoke(given)
            await asyncio.to_thread(graph.invoke, given)
        counts.append(await _count())
    return Count(*(after - before for before, after in zip(*counts, strict=True)))


async def _count() -> Count:
    await _forget_cancelled_timers()
    if loop._loop:
        asyncio.run_coroutine_threadsafe(_forget_cancelled_timers(), loop._loop).result()
    return _count_now()


def _count_now() -> Count:
    own = asyncio.all_tasks(loop._loop) if loop._loop else set()
    gc.collect()
    statm = Path("/proc/self/statm").read_text(encoding="utf-8")
    bounds = [thing for thing in gc.get_objects() if type(thing) is places.Bound]
    return Count(
        objects=len(gc.get_objects()),
        kilobytes=int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024,
        tasks=len(asyncio.all_tasks()) + len(own),
        threads=threading.active_count(),
        files=len(list(Path("/proc/self/fd").iterdir())),
        dispatches=len(dispatch._live),
        held=sum(len(bound._waiting) + bound.size - bound._free for bound in bounds),
    )


async def _forget_cancelled_timers() -> None:
    """Do what asyncio does once there are a hundred of them; each holds the context of its run."""
    timers = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
    timers[:] = [timer for timer in timers if not timer.cancelled()]
    heapq.heapify(timers)


def answer(request: ChatRequest) -> Answer:
    """Answer as the models of the three patterns."""
    if "Vote." in request.text:
        return "aab"[request.seen % 3]
    if "Judge." in request.text:
        return {"tripped": request.text.endswith("1"), "reason": "r"}
    return "fine"


def main() -> int:
    """Run all patterns; the exit status says whether anything has stayed behind."""
    is_fine = True
    with stub_process(answer) as url:
        os.environ.update(OPENAI_BASE_URL=url, OPENAI_API_KEY="stub")
        for name, make in PATTERNS.items():
            grown = growth(make, RUNS)
            print(f"{name}: over {RUNS // 2} runs, {grown}")
            none = (grown.tasks, grown.files, grown.dispatches, grown.held) == (0, 0, 0, 0)
            is_fine = is_fine and none and grown.objects < RUNS // 10
    return int(not is_fine)


if __name__ == "__main__":
    sys.exit(main())
