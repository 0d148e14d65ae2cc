"""Print the table: `make bench-guardrail`."""

import argparse
import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from statistics import median
from time import perf_counter

from rich import box
from rich.console import Console
from rich.table import Table

from guardrail.cases import PLAIN, Row, passing, trip
from guardrail.modes import MODES, STREAMING
from guardrail.random_runs import random_runs

console = Console(width=140)


async def medians(case: Callable[[], Awaitable[Row]], runs: int) -> Row:
    """Run a case some times and give the median of each value."""
    rows = [await case() for _ in range(runs)]
    return {name: median(row[name] for row in rows if name in row) for name in rows[0]}


def print_rows(title: str, rows: dict[str, Row]) -> None:
    """Print a table with a column per value."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("case")
    for name in names:
        table.add_column(name, justify="right")
    for case, row in rows.items():
        table.add_row(case, *(f"{row[name]:.1f}" if name in row else "" for name in names))
    console.print(table)


async def main(runs: int, random_number: int) -> None:
    """Run everything."""
    began = perf_counter()
    trips = {name: await medians(partial(trip, mode), runs) for name, mode in MODES.items()}
    print_rows(f"Trip at 0.30 s, 100 tokens of 20 ms (medians of {runs})", trips)
    late = {
        name: await medians(partial(trip, MODES[name], first_token=2.0), runs)
        for name in ("floor", "invoke", "astream")
    }
    print_rows("Trip at 0.30 s, first token of the answer at 2 s", late)
    passes = {
        name: await medians(partial(passing, mode, streams=name in STREAMING), runs)
        for name, mode in MODES.items()
    }
    print_rows("Pass at 0.30 s", passes)
    for name, case in PLAIN.items():
        print_rows("", {name: await medians(case, runs)})
    print_rows("Random delays", {"all": dict(await random_runs(random_number))})
    console.print(f"All in {perf_counter() - began:.0f} s.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make bench-guardrail")
    parser.add_argument("--runs", type=int, default=20, help="runs of each case")
    parser.add_argument("--random", type=int, default=1000, help="runs with random delays")
    arguments = parser.parse_args()
    logging.getLogger("langgraph_parallel").setLevel(logging.ERROR)  # guards fail on purpose here
    asyncio.run(main(arguments.runs, arguments.random))
