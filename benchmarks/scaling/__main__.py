"""Print the tables: `make bench-scaling`.

The stub server answers after 50 ms. It, and each measurement, is a process of its own. "Beyond the
calls" is the wall time of all runs at once less that of `asyncio.gather` over the same model, which
is measured in turn. The limit is `max_concurrency`, by hand a semaphore.
"""

import argparse
import multiprocessing
import os
import platform
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from importlib.metadata import version
from statistics import median
from time import perf_counter

from rich import box
from rich.console import Console
from rich.table import Table
from stub_process import stub_process
from stub_server import Reply

from scaling.work import Measured, Plan, measure

Row = dict[str, str]
DELAY = 0.05
WIDTHS = {1: 20, 10: 10, 100: 3, 1000: 1, 3000: 1}
"""Sections of one run, and how often it is repeated."""
RUNS_AT_ONCE = {1: 20, 16: 6, 64: 3, 256: 1}
WIDE = 1000
"""Sections from which everything is measured once."""
LIMIT = 64
PROCESSES = multiprocessing.get_context("spawn")
console = Console(width=130)


def in_processes(plans: Sequence[Plan]) -> list[Measured]:
    """Run plans at the same time, each in a new process."""
    with ProcessPoolExecutor(len(plans), PROCESSES) as pool:
        return list(pool.map(measure, plans))


def middle(plan: Plan, turns: int) -> Measured:
    """Run a plan some times, and give the median of each value."""
    found = [in_processes([plan])[0] for _ in range(turns)]
    return Measured(
        found[0].calls,
        median(one.wall for one in found),
        median(one.cpu for one in found),
        median(one.peak for one in found),
    )


def compared(url: str, sections: int, at_once: int, repeats: int, turns: int) -> Iterable[Row]:
    """Measure the graph, without and with a limit, beside the same by hand."""
    for limit in (None, LIMIT):
        if limit and sections * at_once <= limit:
            continue
        plan = Plan(url, sections, at_once, repeats, limit)
        hand = Plan(url, sections, at_once, repeats, limit, by_hand=True)
        graph, floor = middle(plan, turns), middle(hand, turns)
        yield {
            "sections": str(sections),
            "runs at once": str(at_once),
            "limit": str(limit or "none"),
            "calls/s": f"{graph.calls / graph.wall:.0f}",
            "by hand": f"{floor.calls / floor.wall:.0f}",
            "CPU ms/call": f"{1000 * graph.cpu / graph.calls:.2f}",
            "by hand ": f"{1000 * floor.cpu / floor.calls:.2f}",
            "all runs, ms": f"{1000 * graph.wall / repeats:.0f}",
            "beyond the calls, ms": f"{1000 * (graph.wall - floor.wall) / repeats:.0f}",
            "peak, MB": f"+{graph.peak:.0f}",
            "by hand  ": f"+{floor.peak:.0f}",
        }


def processes(number: int, at_once: int, repeats: int) -> Row:
    """Measure one or two processes, each against a stub server of its own."""
    with ExitStack() as stack:
        urls = [
            stack.enter_context(stub_process(Reply("fine", delay=DELAY))) for _ in range(number)
        ]
        found = in_processes([Plan(url, 3, at_once, repeats) for url in urls])
    calls, wall = sum(one.calls for one in found), max(one.wall for one in found)
    return {
        "processes": str(number),
        "runs at once in each": str(at_once),
        "calls/s": f"{calls / wall:.0f}",
        "CPU ms/call": f"{1000 * sum(one.cpu for one in found) / calls:.2f}",
    }


def print_rows(title: str, rows: Iterable[Row]) -> None:
    """Print a table with a column per value."""
    rows = list(rows)
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for name in rows[0]:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*row.values())
    console.print(table)


def main(turns: int) -> None:
    """Run everything."""
    began = perf_counter()
    packages = ("langgraph", "langchain-openai", "openai", "langgraph-parallel")
    console.print(f"Python {platform.python_version()}, {os.cpu_count()} cores")
    console.print(", ".join(f"{name} {version(name)}" for name in packages))
    wide: list[Row] = []
    many: list[Row] = []
    for width, repeats in WIDTHS.items():
        with stub_process(Reply("fine", delay=DELAY)) as url:
            wide += compared(url, width, 1, repeats, turns if width < WIDE else 1)
    print_rows(
        f"One run of many sections, calls of 50 ms (medians of {turns}; from {WIDE} on, once)", wide
    )
    for at_once, repeats in RUNS_AT_ONCE.items():
        with stub_process(Reply("fine", delay=DELAY)) as url:
            many += compared(url, 3, at_once, repeats, turns)
    print_rows(f"Many runs of three sections, calls of 50 ms (medians of {turns})", many)
    alone = [processes(number, 64, 6) for number in (1, 2)]
    print_rows("One and two processes, each with a stub server of its own", alone)
    console.print(f"All in {perf_counter() - began:.0f} s.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make bench-scaling")
    parser.add_argument("--turns", type=int, default=2, help="runs of each measurement")
    main(parser.parse_args().turns)
