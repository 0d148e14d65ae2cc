"""Print the tables: `make bench-comparison`."""

import argparse
import asyncio
import logging
import os
import platform
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from time import perf_counter

from rich import box
from rich.console import Console
from rich.table import Table

from comparison import (
    guardrail,
    guards_foreign,
    guards_langchain,
    overhead,
    sectioning,
    sections,
    votes,
    voting,
)

PACKAGES = (
    "langgraph",
    "langchain",
    "langchain-openai",
    "openai",
    "openai-agents",
    "pydantic-ai-slim",
    "pydantic-ai-harness",
    "langgraph-parallel",
)
console = Console(width=150)


def print_rows(title: str, rows: Sequence[dict[str, str]]) -> None:
    """Print a table with a column per value."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for number, name in enumerate(rows[0]):
        table.add_column(name, justify="right" if number else "left", no_wrap=not number)
    for row in rows:
        table.add_row(*row.values())
    console.print(table)


def main(runs: int) -> None:
    """Run everything."""
    began = perf_counter()
    console.print(f"Python {platform.python_version()}, {os.cpu_count()} cores")
    console.print(", ".join(f"{name} {version(name)}" for name in PACKAGES))
    guards = {**guards_langchain.CONTENDERS, **guards_foreign.CONTENDERS}
    verdicts, failures = asyncio.run(guardrail.rows(guards, runs))
    print_rows(
        f"Guardrail: verdict at 0.3 s, 50 tokens from 0.05 s on (medians of {runs})", verdicts
    )
    print_rows("Guardrail: no verdict", failures)
    print_rows(
        "Sectioning: two sections answered at 0.05 s, the third fails at 0.2 s",
        asyncio.run(sectioning.rows(sections.CONTENDERS)),
    )
    print_rows(
        "Voting: nine voters; five agree within 0.3 s, four answer at 1.5 s",
        asyncio.run(voting.rows(votes.CONTENDERS, runs)),
    )
    print_rows(
        "Overhead: milliseconds of a run, and wall and CPU time relative to the first row",
        overhead.rows(),
    )
    console.print(f"All in {perf_counter() - began:.0f} s.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make bench-comparison")
    parser.add_argument("--runs", type=int, default=3, help="runs of each timed case")
    # What contenders leave open is closed by the garbage collector, on a loop that has ended.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    # LangChain's structured output makes Pydantic warn of a field of the OpenAI client's.
    warnings.filterwarnings("ignore", message="Pydantic serializer warnings")
    main(parser.parse_args().runs)
