"""One measurement, in a process of its own: a graph against a stub server, or the same by hand.

A process of its own gives a peak of memory that no earlier measurement has raised.
"""

import asyncio
import os
import resource
import time
from dataclasses import dataclass
from typing import Any

from langgraph_parallel import Section, create_sectioning
from langgraph_parallel.nodes.models import get_model

MODEL, PROMPT = "openai:stub-model", "Look at it."
STATIC = 3
"""Sections up to which they are given as a list; more are a dynamic fan-out."""


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        url: The base URL of the stub server.
        sections: Sections of a run.
        at_once: Runs at once.
        repeats: How often all that is done.
        limit: `max_concurrency`; `None` for as many as there are calls.
        by_hand: Whether `asyncio.gather` calls the same model, without a graph.
    """

    url: str
    sections: int
    at_once: int
    repeats: int
    limit: int | None = None
    by_hand: bool = False


@dataclass(frozen=True)
class Measured:
    """What came out, of all calls."""

    calls: int
    wall: float
    cpu: float
    peak: float
    """Megabytes by which the peak of memory rose."""


def measure(plan: Plan) -> Measured:
    """Run a plan."""
    os.environ.update(OPENAI_BASE_URL=plan.url, OPENAI_API_KEY="stub")
    return asyncio.run(_measure(plan))


async def _measure(plan: Plan) -> Measured:
    run = _hand(plan) if plan.by_hand else _graph(plan)
    await run()
    before = _peak()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(plan.repeats):
        done = await asyncio.gather(*(run() for _ in range(plan.at_once)))
        if set(done) != {plan.sections}:
            raise RuntimeError(f"calls were lost: {done}")
    calls = plan.sections * plan.at_once * plan.repeats
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Measured(calls, wall, cpu, _peak() - before)


def _graph(plan: Plan) -> Any:
    def sections(_: Any) -> list[Section]:
        return [Section(f"s{i}", PROMPT) for i in range(plan.sections)]

    graph = create_sectioning(
        sections(None) if plan.sections <= STATIC else sections,
        model=MODEL,
        aggregate=len,
        max_concurrency=plan.limit or plan.sections * plan.at_once,
    )

    async def run() -> int:
        return int((await graph.ainvoke({"input": "x"}))["output"])

    return run


def _hand(plan: Plan) -> Any:
    places = asyncio.Semaphore(plan.limit or plan.sections * plan.at_once)

    async def call() -> str:
        model = await get_model(MODEL)
        async with places:
            return (await model.ainvoke([("system", PROMPT), ("user", "x")])).text

    async def run() -> int:
        return len(await asyncio.gather(*(call() for _ in range(plan.sections))))

    return run


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
